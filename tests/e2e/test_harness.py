"""The tests' own eyes: what `left` must see, it sees."""

from __future__ import annotations

import pytest

from tests.e2e.conftest import HELLO, Burst

pytestmark = pytest.mark.e2e


def test_left_sees_processes_folders_and_state(burst: Burst) -> None:
    burst.write({"burst.yaml": HELLO})
    run_id = burst.receipt("up")["run_id"]
    for wanted in ("", run_id):
        kinds = [line.split()[0] for line in burst.left(wanted)]
        # munged, slurmctld and two slurmd at least.
        assert kinds.count("process") >= 4
        assert (kinds.count("folder"), kinds.count("state")) == (1, 1)
    assert burst("down").returncode == 0
    assert burst.left() == []

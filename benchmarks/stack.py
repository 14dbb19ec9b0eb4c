"""What driving Pulumi costs: `create` of the AWS program beside a plain `pulumi up` of the same, against the tests' provider.

Both run the real engine with the same program, configuration and provider, which answers at once; ours also copies the
program, makes the stack and writes its configuration. Needs `pulumi` on PATH.
"""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path

from measure import Figure, Place

_CHECKOUT = Path(__file__).resolve().parent.parent
# Pulumi's own is to be compared with: the program, its SDKs and the engine are the same.
_BOUND = 1.25


def figures(place: Place) -> list[Figure]:
    """`up`, a small cluster: network, identity, head, one group."""
    if shutil.which("pulumi") is None:
        print("stack: left out: no pulumi on PATH", file=sys.stderr)
        return []
    sys.path[:0] = [str(_CHECKOUT), str(_CHECKOUT / "tests" / "unit")]
    import pytest
    from making import design

    from tests.engine.byhand import ByHand
    from tests.engine.conftest import standing
    from tests.engine.driving import Around
    from tests.stacks import programs

    text = "version: 1\nname: bench\ngroups: {cpu: {instance: c7i.large, nodes: 2}}\n"
    configuration = programs.configured(design(text, "aws"))
    secrets = {"burst:keys": configuration.pop("burst:keys")}
    ours: list[float] = []
    plain: list[float] = []
    root = place.root / "stack"
    root.mkdir()
    around = Around(root, programs.stacks_folder("aws"), "aws", "tests.stacks.aws")
    with pytest.MonkeyPatch.context() as patch, standing(around, patch):
        peer = ByHand(root / "plain", around.program, configuration, secrets)
        for i in range(place.rounds(5) + 1):
            started = time.perf_counter()
            around.create(configuration, secrets)
            taken = time.perf_counter() - started
            around.destroy()
            shutil.rmtree(around.layout.root)
            started = time.perf_counter()
            peer.pulumi("up", "--yes", "--skip-preview")
            other = time.perf_counter() - started
            peer.pulumi("destroy", "--yes", "--skip-preview")
            # The first round warms up the disk's cache and Python's.
            if i:
                ours.append(taken)
                plain.append(other)
    return [Figure("AWS stack: create, against `pulumi up`", ours, plain, _BOUND)]

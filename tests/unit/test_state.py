"""What is remembered of a run, and who may touch it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from making import design

from provisioner import files
from provisioner.errors import Invalid
from provisioner.jobs.model import Submitted
from provisioner.lifecycle import state


def test_run_ids_are_the_name_and_six_characters_that_nobody_confuses() -> None:
    ids = {state.new_run_id("lj-melt") for _ in range(200)}
    assert len(ids) == 200
    for run_id in ids:
        name, _, rest = run_id.rpartition("-")
        assert (name, len(rest)) == ("lj-melt", 6)
        assert not set(rest) & set("ilo01")


def test_a_run_is_locked_from_its_first_moment_and_its_folder_is_ours_alone() -> None:
    with state.begin("a-abc234") as run:
        assert run.run_id == "a-abc234"
        assert state.alive(run.folder)
        assert run.folder.stat().st_mode & 0o077 == 0
        assert [found.run_id for found in state.existing()] == ["a-abc234"]
        with pytest.raises(Invalid, match="being worked on"), state.reopen("a-abc234"):
            pass
    assert not state.alive(run.folder)
    with state.reopen("a-abc234") as again:
        assert again.folder == run.folder


def test_what_died_before_it_had_its_name_is_cleared_away_but_not_what_is_being_made() -> None:
    runs = state.runs_folder()
    (runs / ".new-dead").mkdir(parents=True)
    (runs / ".new-live").mkdir()
    (runs / ".new-young").mkdir()
    for old in (".new-dead", ".new-live"):
        os.utime(runs / old, (0, 0))
    with files.locked(runs / ".new-live"):
        assert state.existing() == []
        assert sorted(path.name for path in runs.iterdir()) == [".new-live", ".new-young"]


def test_strange_things_in_the_folder_are_no_runs() -> None:
    runs = state.runs_folder()
    runs.mkdir(parents=True)
    (runs / "Strange Thing").mkdir()
    (runs / "a-file").write_text("")
    assert state.existing() == []
    assert not state.alive(runs / "a-file")
    assert not state.alive(runs / "none")


def test_what_was_saved_comes_back() -> None:
    decided = design("version: 1\nname: a\ngroups: {cpu: {nodes: 1}}\njobs: {j: {command: ls}}\n")
    jobs = {"j": Submitted(name="j", slurm_id=3, folder="/work/j")}
    with state.begin("a-abc234") as run:
        assert (run.design(), run.inventory(), run.submitted()) == (None, None, {})
        run.save_design(decided)
        run.save_submitted(jobs)
        assert (run.design(), run.submitted()) == (decided, jobs)
        assert {path.stat().st_mode & 0o777 for path in run.folder.iterdir()} == {0o600}
        for name in ("design.json", "submitted.json"):
            (run.folder / name).write_text('{"half": ')
        assert (run.design(), run.submitted()) == (None, {})
        run.forget()
        assert not run.folder.exists()


def test_a_run_is_found_by_its_id_by_its_name_or_as_the_only_one() -> None:
    for run_id in ("melt-abc234", "melt-xyz789", "lj-plot-abc234"):
        with state.begin(run_id):
            pass
    assert state.find("melt-xyz789").run_id == "melt-xyz789"
    assert state.find("lj-plot").run_id == "lj-plot-abc234"
    for wanted, said in (("melt", "several runs could be meant"), (None, "several runs"), ("plot", "there is no run 'plot'")):
        with pytest.raises(Invalid, match=said):
            state.find(wanted)


def test_the_only_run_needs_no_name() -> None:
    with pytest.raises(Invalid, match="there is no cluster"):
        state.find(None)
    with state.begin("a-abc234"):
        assert state.find(None).run_id == "a-abc234"


def test_state_lies_where_the_system_wants_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "x"))
    assert state.runs_folder() == tmp_path / "x" / "burst" / "runs"


def test_an_owner_is_in_the_clouds_alphabet() -> None:
    assert set(state.caller()) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")

"""Sweep ends what is dead or expired, and nothing else. The place is a list; the runs' folders are made by hand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from making import Still, design
from standing_in import ListedTarget

from provisioner import clock
from provisioner.errors import Invalid, Refused
from provisioner.events import Event, Events
from provisioner.lifecycle import state
from provisioner.lifecycle.sweep import Wish, down, sweep
from provisioner.report.receipt import Receipt
from provisioner.targets.base import Tagged

NOW = 1_800_000_000.0


@pytest.fixture(autouse=True)
def _now() -> Iterator[None]:
    with clock.use(Still(NOW)):
        yield


def remembered(run_id: str, *steps: tuple[str, dict[str, Any]], target: str = "local") -> None:
    """A run of which the journal has `begin` and these steps, and that nobody works on."""
    with state.begin(run_id) as run:
        events = Events(run_id, [run.journal])
        events.step("begin", "…", target=target, results="results", expires=NOW + 60)
        for step, data in steps:
            events.step(step, "…", **data)


def names() -> list[str]:
    return sorted(run.run_id for run in state.existing())


def tag(run_id: str, *, folder: str = "") -> Tagged:
    return Tagged(run_id=run_id, owner="ada", expires=int(NOW) + 60, state=folder)


def test_a_run_that_somebody_works_on_is_left_alone() -> None:
    remembered("live-abc234", ("kept", {"expires": NOW - 1}))
    target = ListedTarget(there=["live-abc234"])
    with state.reopen("live-abc234"):
        assert sweep([target]) == []
    assert (target.calls, names()) == ([], ["live-abc234"])


def test_a_run_that_is_kept_is_left_alone_until_it_expires() -> None:
    remembered("kept-abc234", ("kept", {"expires": NOW + 1}))
    target = ListedTarget(there=["kept-abc234"])
    assert sweep([target]) == []
    assert (target.calls, names()) == ([], ["kept-abc234"])
    clock.sleep(1)
    (swept,) = sweep([target])
    assert (swept.run_id, swept.reason, swept.remains) == ("kept-abc234", "it has expired", ())
    assert (target.there, names()) == (set(), [])


def test_a_run_whose_client_died_is_ended_and_forgotten() -> None:
    remembered("dead-abc234", ("create.nodes", {}))
    target = ListedTarget(there=["dead-abc234"])
    (swept,) = sweep([target])
    assert (swept.run_id, swept.reason, swept.saved, swept.remains) == ("dead-abc234", "its client died", 0, ())
    assert (target.calls, names()) == ([("destroy", "dead-abc234")], [])


def test_only_the_dead_of_many() -> None:
    for run_id, steps in {
        "dead": [],
        "kept": [("kept", {"expires": NOW + 9})],
        "old": [("kept", {"expires": NOW - 9})],
        "live": [],
    }.items():
        remembered(f"{run_id}-abc234", *steps)
    target = ListedTarget(there=names())
    with state.reopen("live-abc234"):
        assert {swept.run_id for swept in sweep([target])} == {"dead-abc234", "old-abc234"}
    assert names() == ["kept-abc234", "live-abc234"]
    assert target.there == {"kept-abc234", "live-abc234"}


def test_what_cannot_be_ended_is_told_tried_again_and_not_forgotten() -> None:
    remembered("dead-abc234")
    target = ListedTarget(there=["dead-abc234"], stubborn=["dead-abc234"])
    (swept,) = sweep([target])
    assert [resource.id for resource in swept.remains] == ["dead-abc234"]
    assert target.calls.count(("destroy", "dead-abc234")) == 3
    assert names() == ["dead-abc234"]
    target.stubborn.clear()
    assert sweep([target])[0].remains == ()
    assert names() == []


def test_a_dry_run_says_and_does_nothing() -> None:
    remembered("dead-abc234")
    target = ListedTarget(there=["dead-abc234", "stray-abc234"])
    target.tagged = [tag("stray-abc234", folder="/nowhere/state")]
    swept = sweep([target], wish=Wish(dry_run=True))
    assert {(s.run_id, s.reason) for s in swept} == {("dead-abc234", "its client died"), ("stray-abc234", "nobody remembers it")}
    assert all(s.remains for s in swept)
    assert (target.calls, names()) == ([], ["dead-abc234"])


def test_what_its_tags_alone_tell_of_is_ended() -> None:
    target = ListedTarget(there=["stray-abc234", "gone-abc234"])
    target.tagged = [tag("stray-abc234"), tag("gone-abc234", folder="/nowhere/state")]
    clock.sleep(60)
    assert [(s.run_id, s.reason) for s in sweep([target])] == [
        ("stray-abc234", "nobody remembers it"),
        ("gone-abc234", "nobody remembers it"),
    ]
    assert target.there == set()


def test_what_was_made_elsewhere_lives_until_it_expires() -> None:
    """Another person's run in the same account, or a plain `pulumi up`: nothing here may know of it."""
    target = ListedTarget(there=["theirs-abc234"])
    target.tagged = [tag("theirs-abc234")]
    assert sweep([target]) == []
    assert target.there == {"theirs-abc234"}
    clock.sleep(60)
    assert [(s.run_id, s.remains) for s in sweep([target])] == [("theirs-abc234", ())]


def test_tags_that_point_to_a_live_or_kept_run_leave_it_alone() -> None:
    remembered("kept-abc234", ("kept", {"expires": NOW + 9}))
    remembered("live-abc234")
    target = ListedTarget(there=names())
    target.tagged = [tag(name, folder=str(state.runs_folder() / name)) for name in names()]
    with state.reopen("live-abc234"):
        assert sweep([target]) == []
    assert target.calls == []


def test_a_run_that_is_both_remembered_and_tagged_is_ended_once() -> None:
    remembered("dead-abc234")
    target = ListedTarget(there=["dead-abc234"])
    target.tagged = [tag("dead-abc234", folder=str(state.runs_folder() / "dead-abc234"))]
    assert [s.run_id for s in sweep([target])] == ["dead-abc234"]
    assert target.calls == [("destroy", "dead-abc234")]


def test_a_run_of_a_place_that_is_not_asked_is_left_alone() -> None:
    remembered("far-abc234", target="aws")
    target = ListedTarget()
    assert (sweep([target]), target.calls, names()) == ([], [], ["far-abc234"])


def test_each_place_ends_its_own() -> None:
    remembered("near-abc234")
    remembered("far-abc234", target="aws")
    near, far = ListedTarget(there=["near-abc234"]), ListedTarget("aws", there=["far-abc234"])
    assert len(sweep([near, far])) == 2
    assert (near.calls, far.calls) == ([("destroy", "near-abc234")], [("destroy", "far-abc234")])


def test_a_run_that_died_before_its_first_line_is_forgotten() -> None:
    with state.begin("young-abc234"):
        pass
    target = ListedTarget()
    assert sweep([target], wish=Wish(dry_run=True)) == []
    assert names() == ["young-abc234"]
    assert sweep([target]) == []
    assert (target.calls, names()) == ([], [])


def test_a_place_that_refuses_does_not_keep_the_others_from_being_swept() -> None:
    class Refusing(ListedTarget):
        def destroy(self, run_id: str, events: Events) -> None:
            super().destroy(run_id, events)
            if run_id.startswith("bad"):
                raise PermissionError(13, "Permission denied")

    remembered("bad-abc234")
    remembered("good-abc234")
    target = Refusing(there=names(), stubborn=["bad-abc234"])
    told: list[Event] = []
    assert {(s.run_id, len(s.remains)) for s in sweep([target], [told.append])} == {("bad-abc234", 1), ("good-abc234", 0)}
    assert names() == ["bad-abc234"]
    assert [event.run_id for event in told if event.kind == "left"] == ["bad-abc234"]


def test_two_sweeps_do_not_fall_over_each_other() -> None:
    """The second one finds the folder locked, or gone."""
    remembered("dead-abc234")
    target = ListedTarget(there=["dead-abc234"])
    with ExitStack() as other:
        other.enter_context(state.reopen("dead-abc234"))
        assert sweep([target]) == []
    assert [s.run_id for s in sweep([target])] == ["dead-abc234"]
    assert sweep([target]) == []


def test_a_place_that_cannot_be_asked_for_its_runs_is_told_and_passed_over() -> None:
    class Deaf(ListedTarget):
        def runs(self, region: str) -> list[Tagged]:
            raise Refused("no credentials", why="ExpiredToken", fix="aws sso login")

    target, told = ListedTarget(there=["lost-abc234"]), list[Event]()
    target.tagged = [Tagged(run_id="lost-abc234", owner="ada", expires=0, state="")]
    unasked, swept = sweep([Deaf("aws"), target], [told.append])
    assert (unasked.run_id, [left.name for left in unasked.remains]) == ("?", ["aws sso login"]), "exit 7: nobody knows"
    assert (swept.run_id, swept.remains) == ("lost-abc234", ())
    assert told[0].message == "aws could not be asked: no credentials: ExpiredToken"


def test_only_what_was_wished_for() -> None:
    for run_id in ("one-abc234", "two-abc234"):
        remembered(run_id)
    target = ListedTarget(there=names())
    assert sweep([target], wish=Wish(expired=True)) == [], "its client is dead, but it has not expired"
    assert sweep([target], wish=Wish(owner="somebody-else")) == []
    assert [s.run_id for s in sweep([target], wish=Wish(runs=("two-abc234",)))] == ["two-abc234"]
    clock.sleep(60)
    assert [s.run_id for s in sweep([target], wish=Wish(expired=True))] == ["one-abc234"]


def test_of_tags_only_one_owners_and_in_the_regions_that_are_named() -> None:
    class Wide(ListedTarget):
        def regions(self, *, everywhere: bool = False) -> tuple[str, ...]:
            return ("near", "far", "shut") if everywhere else ("near",)

        def runs(self, region: str) -> list[Tagged]:
            if region == "shut":
                raise Refused("no", why="OptInRequired", fix="enable it")
            return [each for each in self.tagged if each.region == region]

    def target() -> Wide:
        found = Wide("aws", there=["near-abc234", "far-abc234", "adas-abc234"])
        found.tagged = [
            Tagged(run_id="near-abc234", owner="bob", expires=1, state="", region="near"),
            Tagged(run_id="far-abc234", owner="bob", expires=1, state="", region="far"),
            Tagged(run_id="adas-abc234", owner="ada", expires=1, state="", region="far"),
        ]
        return found

    assert [s.run_id for s in sweep([target()])] == ["near-abc234"]
    assert [s.run_id for s in sweep([target()], region="far")] == ["far-abc234", "adas-abc234"]
    swept = sweep([target()], wish=Wish(everywhere=True, owner="bob"))
    assert [s.run_id for s in swept] == ["near-abc234", "far-abc234", "?"]
    assert swept[-1].reason == "aws/shut could not be asked: no: OptInRequired"


def test_down_finishes_what_a_dead_client_began() -> None:
    remembered("dead-abc234", ("create.nodes", {}))
    target = ListedTarget(there=["dead-abc234"])
    swept = down("dead-abc234", target, None, [])
    assert swept is not None
    assert (swept.reason, swept.remains) == ("its client died", ())
    assert (target.there, names()) == (set(), [])


def test_down_leaves_a_kept_cluster_and_a_live_run_to_others() -> None:
    remembered("kept-abc234", ("kept", {"expires": NOW + 9}))
    remembered("live-abc234")
    target = ListedTarget(there=names())
    assert down("kept-abc234", target, None, []) is None
    with state.reopen("live-abc234"):
        assert down("live-abc234", target, None, []) is None
    assert target.calls == []


def test_down_ends_by_tags_what_another_machine_made_before_its_expiry() -> None:
    target = ListedTarget(there=["theirs-abc234", "others-abc234"])
    target.tagged = [tag("theirs-abc234"), tag("others-abc234")]
    swept = down("theirs-abc234", target, None, [])
    assert swept is not None
    assert (swept.run_id, swept.remains, target.there) == ("theirs-abc234", (), {"others-abc234"})
    assert down("theirs-abc234", None, None, []) is None, "where is it? kept.find says so"
    target.tagged = target.tagged[1:]
    with pytest.raises(Invalid, match="there is no run 'theirs-abc234' on local"):
        down("theirs-abc234", target, None, [])


def test_the_receipt_of_a_finished_run_tells_what_is_left(folder: Path) -> None:
    results = folder / "results"
    results.mkdir()
    decided = design("version: 1\nname: dead\ngroups: {cpu: {nodes: 1}}\n")
    with state.begin("dead-abc234") as run:
        Events("dead-abc234", [run.journal]).step("begin", "…", target="local", results=str(results), expires=NOW + 60)
        run.save_design(decided.model_copy(update={"run": decided.run.model_copy(update={"id": "dead-abc234"})}))
    target = ListedTarget(there=["dead-abc234"], stubborn=["dead-abc234"])
    sweep([target])
    told = Receipt.model_validate_json((results / "receipt.json").read_bytes())
    assert (told.status, told.exit_code, [left.id for left in told.remains]) == ("left-over", 7, ["dead-abc234"])
    target.stubborn.clear()
    sweep([target])
    told = Receipt.model_validate_json((results / "receipt.json").read_bytes())
    assert (told.remains, len(told.scans)) == ((), 4), "what was known before stays"


def test_down_takes_no_path_for_a_run() -> None:
    target = ListedTarget(there=["/tmp/precious", "."])
    for wanted in ("/tmp/precious", ".", "..", "A", ""):
        with pytest.raises(Invalid, match="is no run's id"):
            down(wanted, target, None, [])
    assert target.calls == []


def test_down_leaves_a_run_of_another_state_folder_that_somebody_works_on(folder: Path) -> None:
    theirs = folder / "theirs-abc234"
    theirs.mkdir()
    Events("theirs-abc234", [state.RunState(theirs).journal]).step("begin", "…", target="local", results="r", expires=NOW + 60)
    target = ListedTarget(there=["theirs-abc234"])
    target.tagged = [tag("theirs-abc234", folder=str(theirs))]
    with state.reopen(theirs), pytest.raises(Invalid, match="is being worked on by another burst"):
        down("theirs-abc234", target, None, [])
    assert target.there == {"theirs-abc234"}
    swept = down("theirs-abc234", target, None, [])
    assert swept is not None
    assert (swept.remains, target.there, theirs.exists()) == ((), set(), False)


def test_a_run_is_looked_for_in_the_region_that_its_journal_has() -> None:
    class Placed(ListedTarget):
        def found_in(self, run_id: str, region: str) -> None:
            self.calls.append((region, run_id))

    with state.begin("far-abc234") as run:
        Events("far-abc234", [run.journal]).step("begin", "…", target="aws", region="us-west-2", results="r", expires=NOW + 60)
    target = Placed("aws", there=["far-abc234"])
    assert sweep([target], region="eu-west-1") == [], "it is in another one"
    assert [s.run_id for s in sweep([target])] == ["far-abc234"]
    assert target.calls == [("us-west-2", "far-abc234"), ("destroy", "far-abc234")]

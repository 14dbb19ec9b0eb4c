"""A run that was cut off while it was made: what its journal tells, how often the place is asked, and the last words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from making import Still
from standing_in import ListedTarget

from provisioner import clock
from provisioner.events import Event, Events
from provisioner.lifecycle import state, teardown
from provisioner.lifecycle.journal import SETTLED, Journal
from provisioner.lifecycle.lastwords import last_words
from provisioner.targets.base import Intent, Inventory, Resource

RUN_ID = "cut-abc234"
ROLE = Intent("aws:iam/role:Role", f"{RUN_ID}-head")


@pytest.fixture
def journal(folder: Path) -> Journal:
    return Journal(folder / "journal.jsonl")


@pytest.fixture(autouse=True)
def still() -> Iterator[Still]:
    with clock.use(Still()) as turned:
        assert isinstance(turned, Still)
        yield turned


def written(journal: Journal, *steps: str) -> Journal:
    events = Events(RUN_ID, [journal])
    for step in steps:
        events.step(step, "…", type=ROLE.type, name=ROLE.name)
    return journal


@pytest.mark.parametrize(
    ("steps", "cut"),
    [
        ((), False),
        (("begin",), False),
        (("begin", "create.stack"), True),
        (("begin", "create.stack", "make", "make"), True),
        (("begin", "create.stack", "make", SETTLED), False),
        (("begin", "create.stack", SETTLED, "destroy"), False),
        (("begin", "create.stack", SETTLED, "heal"), True),
        (("begin", "create.stack", SETTLED, "heal", SETTLED), False),
    ],
)
def test_a_journal_tells_whether_something_was_being_made(journal: Journal, steps: Sequence[str], cut: bool) -> None:
    assert written(journal, *steps).cut() is cut


def test_a_journal_has_each_name_once(journal: Journal) -> None:
    assert written(journal, "begin", "make", "make").intents() == (ROLE,)


class Late(ListedTarget):
    """A place in which what was asked for is to be seen only at the given look."""

    def __init__(self, appears: int) -> None:
        super().__init__("aws")
        self.settles, self.looks, self.appears = 60.0, list[tuple[Intent, ...]](), appears

    def remains(self, run_id: str, intents: Sequence[Intent] = ()) -> tuple[Resource, ...]:
        self.looks.append(tuple(intents))
        if len(self.looks) == self.appears:
            self.there.add(run_id)
        return super().remains(run_id)

    def reap(self, resources: Sequence[Resource]) -> tuple[Resource, ...]:
        self.there -= {resource.id for resource in resources}
        return ()


def test_after_a_cut_one_empty_answer_proves_nothing(journal: Journal, still: Still) -> None:
    target, told, began = Late(appears=2), list[Event](), still.now()
    ended = teardown.destroy(target, RUN_ID, Events(RUN_ID, [told.append]), written(journal, "create.stack", "make"))
    assert ended.remains == ()
    assert [scan.free for scan in ended.scans] == [0, 1, 0, 0], "two clean ones, one after the other"
    assert still.now() - began >= 2 * target.settles, "each a minute apart"
    assert set(target.looks) == {(ROLE,)}, "by its name as well"
    assert target.there == set()
    assert told[-1].message == "nothing is left"


def test_where_everything_had_settled_one_look_is_enough(journal: Journal) -> None:
    target = Late(appears=9)
    assert len(teardown.destroy(target, RUN_ID, Events(RUN_ID, []), written(journal, "create.stack", SETTLED)).scans) == 1


def test_where_no_journal_tells_it_may_have_been_cut_off() -> None:
    assert len(teardown.destroy(Late(appears=9), RUN_ID, Events(RUN_ID, [])).scans) == 2


def test_what_comes_to_be_again_and_again_is_told() -> None:
    class Endless(Late):
        def remains(self, run_id: str, intents: Sequence[Intent] = ()) -> tuple[Resource, ...]:
            self.looks.append(())
            return (Resource(kind="instance", id=f"i-{len(self.looks)}", billed=True),)

    told: list[Event] = []
    ended = teardown.destroy(Endless(appears=1), RUN_ID, Events(RUN_ID, [told.append]))
    assert [resource.id for resource in ended.remains] == ["i-7"], "what there was after the last deletion"
    assert told[-1].message == "left: instance i-7 (billed)"


def test_the_last_words_name_what_may_be_left_and_the_command() -> None:
    with state.begin(RUN_ID) as run:
        assert last_words(run) == "burst: stopped at once, before anything was made"
        events = Events(RUN_ID, [run.journal])
        events.step("begin", "…", target="aws", region="us-east-2", results="r", expires=9)
        assert "  nothing: nothing had been made yet" in last_words(run).splitlines()
        events.step("create.folder", "…", folder="/somewhere/cut")
        for part in ("head", "node"):
            events.step("make", "…", type=ROLE.type, name=f"{RUN_ID}-{part}")
        events.step("create.nodes", "…", nodes=[f"cpu-{i}" for i in range(1, 12)])
        assert last_words(run).splitlines() == [
            "burst: stopped at once. Of cut-abc234 on aws/us-east-2 there may be left:",
            "  nodes cpu-1, cpu-2, cpu-3, cpu-4, cpu-5, cpu-6, cpu-7, cpu-8 and 3 more",
            "  aws:iam/role:Role cut-abc234-head, cut-abc234-node",
            "  the folder /somewhere/cut",
            "This ends it:",
            "  burst down cut-abc234",
            "or, on another machine:",
            "  burst down cut-abc234 --target aws/us-east-2",
        ]
        run.save_inventory(
            Inventory(
                run_id=RUN_ID, target="aws", head="head", address="", nodes={}, workdir="", mounts={}, slurm_version="23.11",
                place={"head_id": "i-0abc"},
            )
        )  # fmt: skip
        assert "  the head i-0abc" in last_words(run).splitlines()


def test_what_will_not_go_for_minutes_is_not_told_again_and_again() -> None:
    class Held(Late):
        def reap(self, resources: Sequence[Resource]) -> tuple[Resource, ...]:
            clock.sleep(600)
            return tuple(
                each.model_copy(update={"why": "IN_USE: DependencyViolation: has a dependent object"}) for each in resources
            )

    told: list[Event] = []
    target = Held(appears=1)
    ended = teardown.destroy(target, RUN_ID, Events(RUN_ID, [told.append]))
    assert len(ended.scans) == len(target.looks) == 1
    assert told[-1].message == f"left: folder {RUN_ID} (free): IN_USE: DependencyViolation: has a dependent object"

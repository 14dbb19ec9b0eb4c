"""What the three clouds' targets share, with a cloud and an engine of the tests' own: who is asked what, and in which order."""

from __future__ import annotations

import json
import random
import stat
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from making import Still, design

from provisioner import clock
from provisioner.bootstrap.secrets import Keys
from provisioner.design.model import Design
from provisioner.errors import Kind, NotCreated, Refused
from provisioner.events import Event, Events
from provisioner.executor.ssh import SshExecutor
from provisioner.findings import Finding, error
from provisioner.lifecycle import teardown
from provisioner.stack.outputs import OUTPUTS
from provisioner.targets import keys
from provisioner.targets.base import Intent, Inventory, Resource, Tagged, Zone
from provisioner.targets.cloud import engine
from provisioner.targets.cloud import target as module
from provisioner.targets.cloud.layout import Layout, runs_folder
from provisioner.targets.cloud.target import CloudTarget

DESIGN = design(
    """\
version: 1
name: a
groups:
  big: {instance: [c7a.48xlarge, c7i.48xlarge], nodes: 2}
  cpu: {instance: c7a.8xlarge, nodes: {min: 1, max: 4}, spot: prefer}
login: {nodes: 1}
filesystems: {/shared: {}}
""",
    "aws",
)
RUN_ID = DESIGN.run.id
HERE = "203.0.113.7/32"


def attempts(*instances: str) -> list[dict[str, Any]]:
    return [{"market": "on-demand", "template": {"instance": instance, "run": RUN_ID}} for instance in instances]


class NoRoom(Exception):
    kind = "CAPACITY"


class Somewhere:
    """A cloud. `asked` has who was asked what; `full` the types that are not to be had."""

    name = "aws"

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.full: set[str] = set()
        self.machines: set[str] = set()
        self.denied = False
        self.tagged: list[Tagged] = []
        self.launcher: Any = SimpleNamespace(launch=self.launch)

    def launch(self, names: Sequence[str], template: dict[str, Any], market: str, session: Any) -> dict[str, str]:
        assert session == "session us-east-2"
        if template["instance"] in self.full:
            raise NoRoom(f"InsufficientInstanceCapacity: no {template['instance']}")
        self.asked.append(("launch", *names, template["instance"]))
        self.machines.update(names)
        return {name: f"10.0.0.{i}" for i, name in enumerate(names)}

    def configured(self) -> bool:
        return not self.denied

    def region(self) -> str:
        return "eu-west-1"

    def session(self, region: str) -> str:
        if self.denied:
            raise Refused("AWS does not know who asks", why="no credentials were found", fix="aws sso login", kind=Kind.AUTH)
        return f"session {region}"

    def preflight(self, session: Any, design: Design, skip: Collection[str] = ()) -> tuple[Finding, ...]:
        return (error("quota", "too many", "ask"),)

    def zones(self, session: Any, design: Design) -> tuple[Zone, ...]:
        return (Zone("us-east-2b", 0.9), Zone("us-east-2a"))

    def configuration(self, session: Any, design: Design) -> dict[str, str]:
        return {"aws:region": "us-east-2"}

    def environment(self, session: Any) -> dict[str, str]:
        return {"AWS_PROFILE": "me"}

    def end_machines(self, session: Any, run_id: str) -> None:
        self.asked.append(("end", run_id, session))
        self.machines.clear()

    def remains(self, session: Any, run_id: str, intents: Sequence[Intent] = ()) -> tuple[Resource, ...]:
        self.asked.append(("remains", run_id, session))
        return tuple(Resource(kind="instance", id=name, region=session.split()[1]) for name in sorted(self.machines))

    def reap(self, session: Any, resources: Sequence[Resource]) -> tuple[Resource, ...]:
        self.asked.append(("reap", session, *(resource.id for resource in resources)))
        return ()

    def regions(self, session: Any) -> tuple[str, ...]:
        return ("ap-east-1", "eu-west-1", "us-east-2")

    def runs(self, session: Any) -> Iterable[Tagged]:
        return [tagged for tagged in self.tagged if tagged.region in ("", session.split()[1])]

    def console(self, session: Any, inventory: Inventory, machine: str) -> str:
        return f"{machine} on {session}"

    def allow(self, session: Any, inventory: Inventory, ranges: Sequence[str]) -> None:
        self.asked.append(("allow", *ranges))

    def tunnel(self, inventory: Inventory) -> tuple[str, ...]:
        return ("way", "in", inventory.place["head_id"])

    def classify(self, words: str) -> tuple[str, str] | None:
        return None


class Stacks:
    """Pulumi. `made` has what each stack was told."""

    def __init__(self) -> None:
        self.made: list[tuple[dict[str, str], dict[str, str], dict[str, str]]] = []
        self.destroyed = 0

    def __call__(self, layout: Layout, place: Any, environment: Mapping[str, str]) -> Any:
        def create(configuration: Mapping[str, str], secrets: Mapping[str, str], events: Events) -> dict[str, Any]:
            layout.program.mkdir()
            self.made.append((dict(configuration), dict(secrets), dict(environment)))
            told = {"head_id": "i-1", "head_address": "198.51.100.9", "region": "us-east-2", "mounts": {"/home": "head:/home"}}
            told |= {"attempts": {"big": attempts("c7a.48xlarge", "c7i.48xlarge"), "cpu": attempts("c7a.8xlarge")}}
            told["attempts"]["login"] = attempts("t3.medium")  # type: ignore[index]
            return {**dict.fromkeys(OUTPUTS, ""), **told}

        def destroy(events: Events) -> None:
            self.destroyed += 1

        return SimpleNamespace(create=create, destroy=destroy)


@pytest.fixture
def stacks(monkeypatch: pytest.MonkeyPatch) -> Stacks:
    made = Stacks()
    monkeypatch.setattr(engine, "Engine", made)
    monkeypatch.setattr(engine, "findings", lambda: ())
    monkeypatch.setattr(keys, "make", lambda folder, run_id: Keys(b"m", "ssh a", "SECRET", "ssh h"))
    monkeypatch.setenv("BURST_ADDRESS", HERE)
    return made


def created(target: CloudTarget, folder: Path, decided: Design = DESIGN) -> tuple[Inventory, list[Event]]:
    told: list[Event] = []
    return target.create(decided, Events(RUN_ID, [told.append]), folder, folder / "state"), told


def test_a_cluster_is_made(stacks: Stacks, folder: Path) -> None:
    place = Somewhere()
    inventory, told = created(CloudTarget(place), folder)
    configuration, secrets, environment = stacks.made[0]
    assert Design.model_validate_json(configuration["burst:design"]) == DESIGN
    assert (configuration["aws:region"], configuration["burst:launches"]) == ("us-east-2", "client")
    assert json.loads(configuration["burst:ssh_from"]) == [HERE]
    assert "SECRET" not in str(configuration)
    assert Keys.loads(secrets["burst:keys"]).host_key == "SECRET"
    assert environment == {"AWS_PROFILE": "me"}
    assert sorted(place.asked) == [
        ("launch", "big-1", "big-2", "c7a.48xlarge"),
        ("launch", "cpu-1", "c7a.8xlarge"),
        ("launch", "login-1", "t3.medium"),
    ]
    assert set(inventory.nodes) == {"big-1", "big-2", "cpu-1"}
    assert set(inventory.logins) == {"login-1"}
    assert (inventory.address, inventory.mounts) == ("198.51.100.9", {"/home": "/home/burst"})
    assert [event.data["step"] for event in told if event.kind == "step"] == ["create.folder", "create.stack", "create.nodes"]
    assert stat.S_IMODE((runs_folder() / RUN_ID).stat().st_mode) == 0o700


def test_no_room_walks_the_types_and_then_says_so(stacks: Stacks, folder: Path) -> None:
    place = Somewhere()
    place.full = {"c7a.48xlarge"}
    _, told = created(CloudTarget(place), folder)
    assert ("launch", "big-1", "big-2", "c7i.48xlarge") in place.asked
    assert "no room: big-1,big-2: InsufficientInstanceCapacity: no c7a.48xlarge" in [event.message for event in told]

    place.full = {"c7a.48xlarge", "c7i.48xlarge"}
    again = DESIGN.model_copy(update={"run": DESIGN.run.model_copy(update={"id": "b-abc234"})})
    with pytest.raises(NotCreated, match="big-1, big-2 could not be launched") as caught:
        created(CloudTarget(place), folder, again)
    assert caught.value.kind is Kind.CAPACITY
    assert caught.value.why == "InsufficientInstanceCapacity: no c7i.48xlarge"
    assert "another region" in caught.value.fix


@pytest.mark.parametrize("network", [{"ssh_from": ("198.51.100.0/24",)}, {"access": "tunnel"}])
def test_the_callers_address_is_asked_where_it_matters(
    stacks: Stacks, folder: Path, network: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BURST_ADDRESS")
    decided = DESIGN.model_copy(update={"network": DESIGN.network.model_copy(update=network)})
    target = CloudTarget(Somewhere())
    inventory, _ = created(target, folder, decided)
    assert "burst:ssh_from" not in stacks.made[0][0]
    executor = target.connect(inventory)
    assert isinstance(executor, SshExecutor)


def test_the_setup_script_goes_along(stacks: Stacks, folder: Path) -> None:
    (folder / "setup.sh").write_text("#!/bin/sh\necho hello\n")
    decided = DESIGN.model_copy(update={"software": DESIGN.software.model_copy(update={"setup": "setup.sh"})})
    created(CloudTarget(Somewhere()), folder, decided)
    assert stacks.made[0][0]["burst:setup"] == "#!/bin/sh\necho hello\n"


def test_who_moves_is_let_in_again(stacks: Stacks, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = Somewhere()
    target = CloudTarget(place)
    inventory, _ = created(target, folder)
    target.connect(inventory)
    assert not [asked for asked in place.asked if asked[0] == "allow"]
    monkeypatch.setenv("BURST_ADDRESS", "198.51.100.77/32")
    for _ in range(2):
        target.connect(inventory)
    assert [asked for asked in place.asked if asked[0] == "allow"] == [("allow", "198.51.100.77/32")], "once"


def test_nobody_is_let_out_by_an_address_that_cannot_be_found_out(
    stacks: Stacks, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Somewhere()
    target = CloudTarget(place)
    inventory, _ = created(target, folder)

    def unknown() -> str:
        raise NotCreated("this machine's own public address could not be found out")

    monkeypatch.setattr(module.caller, "address", unknown)
    target.connect(inventory)
    assert not [asked for asked in place.asked if asked[0] == "allow"]


def test_a_tunnel_is_the_way_in_where_there_is_no_address(stacks: Stacks, folder: Path) -> None:
    decided = DESIGN.model_copy(update={"network": DESIGN.network.model_copy(update={"access": "tunnel"})})
    target = CloudTarget(Somewhere())
    inventory, _ = created(target, folder, decided)
    argv = target.ssh(inventory).argv("head")
    assert "-oProxyCommand=way in i-1" in argv
    assert "-oHostKeyAlias=burst-head" in argv


def test_the_end_is_machines_then_the_stack_then_the_folder(stacks: Stacks, folder: Path) -> None:
    place = Somewhere()
    target = CloudTarget(place)
    created(target, folder)
    place.asked.clear()
    target.destroy(RUN_ID, Events(RUN_ID, []))
    assert place.asked == [("end", RUN_ID, "session us-east-2")]
    assert stacks.destroyed == 1
    assert not (runs_folder() / RUN_ID).exists()
    # The region is known beyond the folder's end; and there is nothing to do a second time.
    assert target.remains(RUN_ID) == ()
    assert place.asked[-1] == ("remains", RUN_ID, "session us-east-2")
    target.destroy(RUN_ID, Events(RUN_ID, []))
    assert stacks.destroyed == 1


def test_a_run_that_another_machine_made_is_ended_by_its_tags(stacks: Stacks) -> None:
    place = Somewhere()
    place.tagged = [Tagged(run_id="far-abc234", owner="ada", expires=1, state="", region="eu-west-1")]
    place.machines = {"i-7"}
    target = CloudTarget(place)
    assert target.regions() == ("eu-west-1",)
    assert [tagged.run_id for tagged in target.runs("eu-west-1")] == ["far-abc234"]
    (left,) = target.remains("far-abc234")
    assert left.region == "eu-west-1"
    assert target.reap([left]) == ()
    target.destroy("far-abc234", Events("far-abc234", []))
    assert ("end", "far-abc234", "session eu-west-1") in place.asked
    assert stacks.destroyed == 0


def test_a_run_is_looked_for_in_every_region_that_it_touched(stacks: Stacks) -> None:
    place = Somewhere()
    place.tagged = [
        Tagged(run_id="wide-abc234", owner="ada", expires=1, state="", region="us-east-2"),
        Tagged(run_id="wide-abc234", owner="ada", expires=1, state="", region="ap-east-1"),
        # A role, which is in none.
        Tagged(run_id="wide-abc234", owner="ada", expires=1, state=""),
    ]
    place.machines = {"i-7"}
    target = CloudTarget(place)
    assert target.regions(everywhere=True) == ("ap-east-1", "eu-west-1", "us-east-2")
    for region in target.regions(everywhere=True):
        assert [tagged.run_id for tagged in target.runs(region)] == ["wide-abc234"]
    assert len(target.remains("wide-abc234")) == 1, "what is told of in both is one thing"
    target.destroy("wide-abc234", Events("wide-abc234", []))
    assert [asked for asked in place.asked if asked[0] == "end"] == [
        ("end", "wide-abc234", "session ap-east-1"),
        ("end", "wide-abc234", "session us-east-2"),
    ]


class Expiring(Somewhere):
    """A cloud of which the sessions up to `ended` are over; with `denied` nobody is logged in any more."""

    opened = ended = 0

    def session(self, region: str) -> str:
        super().session(region)
        self.opened += 1
        return f"session {region} {self.opened}"

    def _check(self, session: str) -> str:
        said, _, number = session.rpartition(" ")
        if int(number) <= self.ended:
            raise Refused("AWS refused", why="ExpiredToken: the security token has expired", fix="aws sso login", kind=Kind.AUTH)
        return said

    def launch(self, names: Sequence[str], template: dict[str, Any], market: str, session: Any) -> dict[str, str]:
        return super().launch(names, template, market, self._check(session))

    def end_machines(self, session: Any, run_id: str) -> None:
        super().end_machines(self._check(session), run_id)

    def remains(self, session: Any, run_id: str, intents: Sequence[Intent] = ()) -> tuple[Resource, ...]:
        return super().remains(self._check(session), run_id)


def test_credentials_that_end_in_the_middle_are_renewed_and_nothing_is_left(stacks: Stacks, folder: Path) -> None:
    place = Expiring()
    target = CloudTarget(place)
    created(target, folder)
    place.ended = place.opened
    ended = teardown.destroy(target, RUN_ID, Events(RUN_ID, []), settled=True)
    assert (ended.remains, place.machines, stacks.destroyed) == ((), set(), 1)


def test_who_cannot_log_in_in_the_middle_is_told_how_and_the_next_command_ends_it(stacks: Stacks, folder: Path) -> None:
    place = Expiring()
    target = CloudTarget(place)
    created(target, folder)
    place.ended, place.denied = place.opened, True
    with clock.use(Still()):
        ended = teardown.destroy(target, RUN_ID, Events(RUN_ID, []), settled=True)
    (unknown,) = ended.remains
    assert unknown.kind == "unknown", "nobody may say that nothing is left: exit code 7"
    assert unknown.name == (
        "aws could not be asked what is left: AWS does not know who asks: no credentials were found; aws sso login"
    )
    assert (place.machines, stacks.destroyed) == ({"big-1", "big-2", "cpu-1", "login-1"}, 0)
    assert (runs_folder() / RUN_ID).exists(), "the stack's state is what the next one needs"
    # Logged in again, on the same machine, in another process.
    place.denied = False
    ended = teardown.destroy(CloudTarget(place), RUN_ID, Events(RUN_ID, []), settled=True)
    assert (ended.remains, place.machines, stacks.destroyed) == ((), set(), 1)
    assert not (runs_folder() / RUN_ID).exists()


def test_who_has_no_credentials_is_told_how_to_get_them(stacks: Stacks, folder: Path) -> None:
    place = Somewhere()
    place.denied = True
    target = CloudTarget(place)
    (found,) = target.preflight(DESIGN, folder)
    assert (found.code, found.fix) == ("credentials", "aws sso login")
    assert "no credentials were found" in found.message
    # And nobody who uses no cloud is asked for any.
    assert target.regions() == ()


def test_preflight_asks_the_cloud(stacks: Stacks, folder: Path) -> None:
    assert [found.code for found in CloudTarget(Somewhere()).preflight(DESIGN, folder)] == ["quota"]


def test_a_node_that_died_is_launched_again_as_it_was(stacks: Stacks, folder: Path) -> None:
    place = Somewhere()
    target = CloudTarget(place)
    inventory, _ = created(target, folder)
    place.asked.clear()
    target.launch(inventory, ["big-2"], Events(RUN_ID, []))
    assert place.asked == [("launch", "big-2", "c7a.48xlarge")]
    assert target.console(inventory, "big-2") == "big-2 on session us-east-2"


def test_user_data_that_is_too_big_with_all_that_a_stack_adds_is_found(stacks: Stacks, folder: Path) -> None:
    """A script of random letters, which no compression helps: it alone would fit, the head's launcher beside it does not."""
    (folder / "setup.sh").write_text("#!/bin/sh\n# " + random.Random(1).randbytes(2200).hex() + "\n")
    decided = DESIGN.model_copy(update={"software": DESIGN.software.model_copy(update={"setup": "setup.sh"})})
    assert {found.code for found in CloudTarget(Somewhere()).preflight(DESIGN, folder)} == {"quota"}
    found = CloudTarget(Somewhere()).preflight(decided, folder)
    assert [each.code for each in found if each.code != "quota"] == ["user-data-size"]

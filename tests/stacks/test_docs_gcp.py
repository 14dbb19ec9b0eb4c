"""docs/clouds/gcp.md and gcp-role.yaml say what the program makes and what its calls need, no less and no more."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import google_fake
import pytest
import yaml
from google_fake import PROJECT, REGION, ZONE, Google, error
from making import Still, design, inventory
from test_place_gcp import whole

import provisioner
from provisioner import clock
from provisioner.launch import gcp
from provisioner.targets.base import Intent
from provisioner.targets.gcp import checks, filesystems, kinds, named, permissions
from provisioner.targets.gcp.target import GcpPlace
from tests.stacks import watching
from tests.stacks.gcp import CLOUD, permitted, short, written
from tests.stacks.gcp_answers import EXISTING, PLAIN, TEXT
from tests.stacks.gcp_ending import ended, one_of_each
from tests.stacks.gcp_permissions import ACTING, FUNCTIONS, MADE, METHODS, OF_MADE, TUNNEL
from tests.stacks.programs import Stack

ROOT = Path(provisioner.__path__[0]).parent
ROLE, PAGE = ROOT / "docs/clouds/gcp-role.yaml", ROOT / "docs/clouds/gcp.md"
RUN = "test-abc234"
TUNNELLED = PLAIN.replace("}}}", "}}, network: {access: tunnel}}") % 1
NOBODY = PLAIN.replace("}}}", "}}, identity: none}") % 1
IMAGE = f"{{version: 1, name: own, image: projects/{PROJECT}/global/images/mine, groups: {{cpu: {{nodes: 1}}}}}}"
# In a shared VPC, with an identity of the run's own.
OWN = EXISTING.replace("identity: hpc@p-1.iam.gserviceaccount.com\n", "")
TEXTS = (TEXT, EXISTING, TUNNELLED, NOBODY)


@cache
def made(text: str) -> Stack:
    return CLOUD.run(design(text, "gcp"))


def groups(text: str) -> dict[str, list[str]]:
    """The role's permissions by the group that a comment begins."""
    parts = re.split(r"^  # \[([a-z-]+)\].*$", text.partition("includedPermissions:")[2], flags=re.MULTILINE)[1:]
    return {name: re.findall(r"^  - (\S+)$", lines, re.MULTILINE) for name, lines in zip(parts[::2], parts[1::2], strict=True)}


def rows(text: str) -> dict[str, list[str]]:
    """The table of resources: type → its other cells."""
    table = text.partition("## What a run makes")[2].partition("\n## ")[0]
    lines = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("| `")]
    return {cells[0].strip("`"): cells[1:] for cells in lines}


class Watched(gcp.Session):
    """Remembers from where it is called."""

    come_by: set[watching.Site]

    def call(self, *args: Any, **more: Any) -> Any:
        self.come_by.add(watching.here(1))
        return super().call(*args, **more)

    def pages(self, *args: Any, **more: Any) -> Iterator[dict[str, Any]]:
        self.come_by.add(watching.here(1))
        return super().pages(*args, **more)


@pytest.fixture(scope="module")
def called(tmp_path_factory: pytest.TempPathFactory) -> tuple[set[str], set[watching.Site]]:
    """(methods, places) of everything that the launcher and the target ask of Google."""
    with clock.use(Still()) as still, pytest.MonkeyPatch.context() as patch, google_fake.serving(Google()) as google:
        patch.setattr(gcp, "time", still)
        session = Watched(lambda: "a-token", google.endpoint, project=PROJECT, region=REGION)
        session.come_by = set()
        for method in ("compute.regions.get", "compute.projects.get"):
            google.answers[method] = (200, {"quotas": []})
        google.answers["serviceusage.services.batchGet"] = google.answers["compute.projects.getXpnHost"] = (200, {})
        for resource in ("cloudresourcemanager.projects", "compute.subnetworks", "iam.projects.serviceAccounts"):
            google.answers[f"{resource}.testIamPermissions"] = (200, {})
        _launches(google, session)
        _target(google, session, tmp_path_factory.mktemp("gcp"))
        asked = set(google.calls)
        # What only the head calls is among its own rights (tests/stacks/gcp.py, `calls`).
        (head,) = made(TEXT).of("compute/instance:Instance")
        told = json.loads(written(head)["/opt/burst/end.json"])
        one_of_each(google, told, RUN)
        assert ended(told, session)
        return asked, session.come_by


def _launches(google: Google, session: gcp.Session) -> None:
    template = made(TEXT).outputs["attempts"]["mpi"][0]["template"]
    gcp.launch(["mpi-1"], template, "spot", session)
    gcp.end(["mpi-1"], template, session)
    google.room, room = 0, google.room
    with contextlib.suppress(gcp.Refused):
        gcp.launch(["mpi-1"], template, "spot", session)
    google.room = room


def _target(google: Google, session: gcp.Session, folder: Path) -> None:
    place = GcpPlace()
    for text in (TEXT, EXISTING, IMAGE):
        place.preflight(session, design(text, "gcp"))
    for kind in ("h4d-standard-192", "c3-standard-4", "g2-standard-4", "t2d-standard-2"):
        google.put(f"compute.googleapis.com/compute/v1/projects/{PROJECT}/zones/{ZONE}/machineTypes/{kind}")
    google.put(f"compute.googleapis.com/compute/v1/projects/{PROJECT}/zones/{ZONE}", status="UP")
    assert [zone.name for zone in place.zones(session, design(TEXT, "gcp"))] == [ZONE]
    google.things.clear()
    google.answers["storage.buckets.get"] = (200, {"iamConfiguration": {"uniformBucketLevelAccess": {"enabled": True}}})
    google.answers["storage.buckets.testIamPermissions"] = (200, {})
    place.preflight(session, design(PLAIN % 1, "gcp").model_copy(update={"results": "gs://theirs"}))
    place.preflight(session, design(OWN, "gcp"))
    del google.answers["storage.buckets.get"]
    whole(google)
    known = {"account": PROJECT, "zone": ZONE, "firewall": f"projects/{PROJECT}/global/firewalls/{RUN}-ssh"}
    run = inventory(design(PLAIN % 1, "gcp"), folder).model_copy(update={"place": known})
    google.answers["compute.instances.getSerialPortOutput"] = error(404, "notFound")
    place.console(session, run, "head")
    place.allow(session, run, ["198.51.100.4/32"])
    left = place.remains(session, RUN, [Intent("gcp:compute/network:Network", f"{RUN}-net")])
    place.end_machines(session, RUN)
    assert place.reap(session, left) == ()
    assert list(place.runs(session)) == []


def split(texts: Any) -> set[str]:
    return {permission for text in texts for permission in text.split()}


def needed(stack: Stack, methods: set[str]) -> set[str]:
    """What a caller needs for what this program made; the calls that look at everything are among `methods`."""
    always = split(METHODS.get(method, "") for method in methods if not method.endswith(OF_MADE))
    functions = {token.removeprefix("gcp:").partition(":")[0] for token, _ in stack.calls}
    functions = {name.removeprefix("organizations/") for name in functions}
    wanted = always | split(MADE[short(each)] for each in stack.resources) | split(FUNCTIONS[name] for name in functions)
    # The boot disk goes with its machine; what has lost its machine is deleted by itself.
    wanted |= {"compute.disks.delete", "compute.instances.delete"}
    return wanted if any("serviceAccount" in each.inputs for each in stack.resources) else wanted - ACTING


def complaints(role: str, page: str, methods: set[str], stacks: list[Stack]) -> list[str]:
    """What the role and the page have too little or too much of."""
    may = [permission for group in groups(role).values() for permission in group]
    types = {short(each) for stack in stacks for each in stack.resources}
    wanted = split(METHODS.get(method, f"unknown.{method}") for method in methods) | {TUNNEL}
    wanted |= {permission for stack in stacks for permission in needed(stack, methods)}
    wrong = [f"{permission} is needed" for permission in sorted(wanted - set(may))]
    wrong += [f"{permission} is needed by nothing" for permission in sorted(set(may) - wanted)]
    wrong += [
        f"{permission} is no exact permission" for permission in may if not re.fullmatch(r"[a-z]+(\.[A-Za-z]+){2}", permission)
    ]
    wrong += [f"{permission} is there twice" for permission in set(may) if may.count(permission) > 1]
    wrong += [f"{kind} has no row" for kind in sorted(types - rows(page).keys())]
    wrong += [f"{kind} is made by no program" for kind in sorted(rows(page).keys() - types)]
    billed = {kind for each in kinds.KINDS if each.billed for kind in each.made_by} | {"compute/routerNat:RouterNat"}
    wrong += [f"{kind}: billed?" for kind, cells in rows(page).items() if (cells[1] != "no") != (kind in billed)]
    head = page.partition("## What the head may do")[2].partition("\n## ")[0]
    allowed = {permission for stack in stacks for permission in permitted(stack)}
    wrong += [
        f"the head: {permission}"
        for permission in sorted(allowed ^ set(re.findall(r"`((?:compute|file|lustre|storage)\.\w+\.\w+)`", head)))
    ]
    return wrong


def test_the_role_and_the_page_are_the_programs(called: tuple[set[str], Any]) -> None:
    stacks = [made(text) for text in (*TEXTS, IMAGE)]
    assert complaints(ROLE.read_text(), PAGE.read_text(), called[0], stacks) == []


def test_every_call_was_come_by(called: tuple[Any, set[watching.Site]]) -> None:
    own = [ROOT / "provisioner/launch/gcp.py", ROOT / "provisioner/alone/end_gcp.py"]
    place = sorted((ROOT / "provisioner/targets/gcp").glob("*.py"))
    # Prices are nobody's: whoever has credentials may read them.
    modules = [*own, *(path for path in place if path.name != "prices.py")]
    assert watching.missed(modules, {"call", "pages"}, called[1]) == []
    assert len(watching.missed(modules, {"call", "pages"}, set())) > 20


@pytest.mark.parametrize(
    ("where", "right", "wrong", "words"),
    [
        ("role", "  - compute.disks.list\n", "", "compute.disks.list is needed"),
        ("role", "  - iam.roles.create\n", "", "iam.roles.create is needed"),
        (
            "role",
            "  - compute.disks.list\n",
            "  - compute.disks.list\n  - compute.disks.use\n",
            "compute.disks.use is needed by nothing",
        ),
        ("role", "  - compute.disks.list\n", "  - compute.disks.*\n", "compute.disks.* is no exact permission"),
        ("role", "  - compute.disks.list\n", "  - compute.disks.list\n" * 2, "compute.disks.list is there twice"),
        ("page", "| `compute/route:Route`", "| `compute/route:Rout`", "compute/route:Route has no row"),
        ("page", "| `compute/route:Route`", "| `compute/route:Rout`", "compute/route:Rout is made by no program"),
        ("page", "`managed-nfs` | yes, by its size", "`managed-nfs` | no", "filestore/instance:Instance: billed?"),
        ("page", "`compute.instances.setTags`", "", "the head: compute.instances.setTags"),
        ("page", "`lustre.instances.delete`", "`lustre.instances.list`", "the head: lustre.instances.delete"),
        ("page", "`storage.buckets.delete`", "", "the head: storage.buckets.delete"),
    ],
)
def test_what_is_wrong_is_told(called: tuple[set[str], Any], where: str, right: str, wrong: str, words: str) -> None:
    texts = {"role": ROLE.read_text(), "page": PAGE.read_text()}
    assert right in texts[where]
    texts[where] = texts[where].replace(right, wrong)
    assert words in complaints(texts["role"], texts["page"], called[0], [made(text) for text in (*TEXTS, IMAGE)])


def test_a_call_that_no_table_has_is_told(called: tuple[set[str], Any]) -> None:
    stacks = [made(text) for text in (*TEXTS, IMAGE)]
    methods = {*called[0], "compute.disks.insert"}
    assert "unknown.compute.disks.insert is needed" in complaints(ROLE.read_text(), PAGE.read_text(), methods, stacks)


@pytest.mark.parametrize(
    ("text", "without"),
    [
        (EXISTING, "own-network gateway tunnel identity managed-nfs lustre bucket"),
        (NOBODY, "gateway tunnel acting identity managed-nfs lustre bucket"),
        (PLAIN % 1, "gateway tunnel managed-nfs lustre bucket"),
        (TUNNELLED, "managed-nfs lustre bucket"),
    ],
)
def test_groups_may_be_left_out(called: tuple[set[str], Any], tmp_path: Path, text: str, without: str) -> None:
    """With the very command that the page has."""
    (command,) = re.findall(r"^sed -E '(.*)' gcp-role.yaml", PAGE.read_text(), re.MULTILINE)
    script = re.sub(r"\([a-z|-]+\)", lambda _: f"({'|'.join(without.split())})", command)
    assert script != command
    left = subprocess.run(["sed", "-E", script, ROLE], capture_output=True, text=True, check=True).stdout
    assert groups(left).keys() == groups(ROLE.read_text()).keys() - set(without.split())
    may = set(yaml.safe_load(left)["includedPermissions"])
    assert needed(made(text), called[0]) <= may
    # And every group that was left in is needed.
    for name, some in groups(left).items():
        assert set(some) & (needed(made(text), called[0]) | {TUNNEL}), name


def test_gcloud_takes_the_file() -> None:
    """iam.v1, Role: what a file for `gcloud iam roles create` may have."""
    role = yaml.safe_load(ROLE.read_text())
    assert role.keys() == {"title", "description", "stage", "includedPermissions"}
    assert len(role["title"]) <= 100
    assert len(role["description"]) <= 256


def test_the_preflight_has_the_role_s_list() -> None:
    told = {name: tuple(sorted(each)) for name, each in permissions.GROUPS.items()}
    assert {name: tuple(sorted(each)) for name, each in groups(ROLE.read_text()).items()} == told


@pytest.mark.parametrize("text", [*TEXTS, IMAGE, OWN])
def test_the_preflight_asks_for_all_that_the_run_needs(called: tuple[set[str], Any], text: str) -> None:
    """What the stack makes, reads and deletes, and what client and target call; where it is needed."""
    decided = design(text, "gcp")
    shared = named.host(decided, PROJECT) != PROJECT
    asked = {*permissions.needed(decided, PROJECT), *((*permissions._HOST, *permissions.at_subnet(decided)) if shared else ())}
    if decided.identity.id is not None:
        asked.add("iam.serviceAccounts.actAs")
    if any(fs.type == "bucket" and fs.id for fs in decided.filesystems) and decided.identity.id is None:
        asked |= set(filesystems._POLICY)
    assert needed(made(text), called[0]) - asked == set()


@pytest.mark.parametrize("text", TEXTS)
def test_the_services_to_enable_are_named(text: str) -> None:
    (command,) = re.findall(r"^gcloud services enable (.*)$", PAGE.read_text(), re.MULTILINE)
    assert {f"{name}.googleapis.com" for name in checks._apis(design(text, "gcp"))} <= set(command.split())
    assert {"cloudquotas.googleapis.com", "cloudbilling.googleapis.com"} <= set(command.split())

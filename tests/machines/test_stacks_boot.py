"""The user-data that the clouds' programs make, booted: real machines here take it as the cloud's would.

What differs is what docs/rehearsal.md lists: containers instead of virtual machines (slurm.conf), and folders of this host
instead of NFS, which some kernels have not.
"""

from __future__ import annotations

import base64
import gzip
import importlib
import io
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from provisioner import clock, files
from provisioner.bootstrap import embed
from provisioner.catalog.table import bundled
from provisioner.design.decide import decide
from provisioner.design.model import Design, Run
from provisioner.events import Events
from provisioner.executor import process
from provisioner.lifecycle import readiness
from provisioner.spec.load import load
from provisioner.spec.model import parse_target
from provisioner.stack import machines
from provisioner.targets import keys
from provisioner.targets.nspawn import making, network, plan
from provisioner.targets.nspawn.layout import Layout
from provisioner.targets.nspawn.target import NspawnTarget
from tests.machines.conftest import Machines
from tests.stacks.contract import Cloud
from tests.stacks.programs import Stack, stacks_folder

NAMES = [name for name in ("aws", "gcp", "azure") if stacks_folder(name).is_dir()]
# The least that fits, so that only what the cloud adds is new.
FILE = """\
version: 1
name: boots
target: {cloud}
groups:
  cpu: {{needs: {{cores: 2}}, nodes: {{min: 1, max: 2}}}}
filesystems: {{/shared: {{size: 1GiB}}}}
"""


def cloud_of(name: str) -> Cloud:
    cloud: Cloud = importlib.import_module(f"tests.stacks.{name}").CLOUD
    return cloud


def texts(cloud: str, stack: Stack) -> dict[str, str]:
    """Role → user-data, from where each cloud has it."""
    if cloud == "aws":
        (head,), (node,) = stack.of("ec2/instance:Instance"), stack.of("ec2/launchTemplate:LaunchTemplate")
        found = {"head": head.inputs["userDataBase64"], "compute": node.inputs["userData"]}
    elif cloud == "gcp":
        (head,), node = stack.of("compute/instance:Instance"), stack.of("compute/instanceTemplate:InstanceTemplate")[0]
        found = {role: shown(made.inputs["metadata"])["user-data"] for role, made in (("head", head), ("compute", node))}
    else:
        (head,) = stack.of("compute:VirtualMachine")
        found = {"head": shown(head.inputs["osProfile"])["customData"]}
        config = parsed(unpacked(found["head"]))
        # No template of Azure's holds it: the head has it in a file, packed as a machine is given it.
        found["compute"] = next(file["content"] for file in config["write_files"] if file["path"] == "/opt/burst/compute")
    return {role: unpacked(text) for role, text in found.items()}


def shown(value: Any) -> Any:
    """A secret comes with a signature of its kind beside its value."""
    return value["value"] if isinstance(value, dict) and "value" in value else value


def unpacked(text: Any) -> str:
    return gzip.decompress(base64.b64decode(shown(text))).decode()


def parsed(text: str) -> Any:
    yaml = YAML(typ="safe", pure=True)
    yaml.version = (1, 1)
    return yaml.load(text)


def without_nfs(text: str, seam_mounts: str) -> str:
    """As docs/rehearsal.md has it: a bind mount each. Everything else stays."""
    config = parsed(text)
    for file in config["write_files"]:
        if file["path"] == "/opt/burst/fstab":
            file["content"] = seam_mounts
    for command in config["runcmd"]:
        command[:] = [word for word in command if word not in ("--nfs", "nfs-common", "nfs-kernel-server")]
    stream = io.StringIO()
    yaml = YAML(typ="safe", pure=True)
    yaml.version = (1, 1)
    yaml.width = 1_000_000
    yaml.dump(config, stream)
    return "#cloud-config\n" + stream.getvalue().partition("---\n")[2]


@pytest.fixture(params=NAMES)
def cloud(request: pytest.FixtureRequest, burst: Machines, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    monkeypatch.setenv("BURST_MACHINES_DIR", burst.env["BURST_MACHINES_DIR"])
    return cloud_of(str(request.param))


def designs(cloud: str, folder: Path) -> tuple[Design, Design]:
    """(as the cloud's program is given it, as this machine boots it): the same run."""
    (folder / "burst.yaml").write_text(FILE.format(cloud=cloud))
    spec, run = load(folder / "burst.yaml").spec, Run(id="boots-abc123", owner="tester", expires=int(clock.now()) + 1200)
    return decide(spec, bundled(), run, parse_target(cloud))[0], decide(spec, bundled(), run, parse_target("nspawn"))[0]


def test_what_a_program_tells_its_machines_boots(
    cloud: Cloud, burst: Machines, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs, ours = designs(cloud.name, burst.folder)

    def write(layout: Layout, design: Design, setup: str | None, image: str) -> None:
        made = keys.make(layout.keys, layout.run_id)
        monkeypatch.setattr(machines, "SITE", plan.site(image))
        stack = cloud.run(theirs, keys=made.dumps())
        mounts = plan.seam(design).mounts
        fstab = "".join(f"{embed.octal(m.source)} {embed.octal(m.folder)} {m.type} {m.options} 0 0\n" for m in mounts)
        for role, text in texts(cloud.name, stack).items():
            # Networks differ: the head is where this machine puts it.
            told = without_nfs(text, fstab).replace(stack.outputs["head_private_address"], network.HEAD)
            files.write(layout.user_data(role), gzip.compress(told.encode(), 6, mtime=0), mode=0o600, durable=False)

    monkeypatch.setattr(making, "write_user_data", write)
    target, events = NspawnTarget(), Events(ours.run.id, [])
    monkeypatch.setattr(NspawnTarget, "patience", 280.0)
    try:
        inventory = target.create(ours, events, burst.folder, tmp_path)
        # nspawn shows a machine /proc/sys as it is, to be read alone: the head's is set from outside.
        space = Layout(burst.machines / ours.run.id).namespace_of("head")
        process.call(["ip", "netns", "exec", space, "sysctl", "-qw", "net.ipv4.ip_forward=1"])
        executor = target.connect(inventory)
        told = readiness.prove(target, executor, ours, inventory, events, tmp_path / "results")
        phases = {name: [phase.name for phase in machine.phases if phase.status == 0] for name, machine in told.items()}
        assert "gateway" in phases["head"]
        assert "way-out" in phases["cpu-1"], "it waited for the head's cache"
        assert executor.run(["srun", "hostname"]).stdout == "cpu-1\n"
        # What the head would launch elastic nodes with, and the rule that lets nodes out.
        launcher = executor.run(["cat", "/opt/burst/launch.json"]).stdout
        assert f'"launcher": "{cloud.name}"' in launcher
        assert "masquerade" in executor.run(["nft", "list", "table", "ip", "burst"], admin=True).stdout
        assert (
            executor.run(["python3", "-I", "-c", f"import runpy; runpy.run_path('/opt/burst/launch/{cloud.name}.py')"]).status
            == 0
        )
        proxied = ["srun", "sh", "-c", "apt-get --print-uris download hello | grep -c . ; apt-config dump Acquire::http::Proxy"]
        assert 'Acquire::http::Proxy "http://head:3142";' in executor.run(proxied).stdout
    finally:
        target.destroy(ours.run.id, events)
    assert burst.left() == []

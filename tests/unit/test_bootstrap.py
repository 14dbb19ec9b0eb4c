"""The user-data of each role: golden texts, and what must hold for any Design."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from making import design
from ruamel.yaml import YAML
from syrupy.assertion import SnapshotAssertion

from provisioner.bootstrap import embed, secrets, user_data
from provisioner.bootstrap.needs import Role
from provisioner.bootstrap.seam import Launcher, Mount, Seam, over_nfs
from provisioner.design.model import Design, Estimate, Filesystem, Group, Node, Run, Software
from provisioner.findings import Level
from provisioner.slurm.conf import Site

NODE = Node(instance="c7a.xlarge", cpus=4, cores=4, memory_mib=7782)
DESIGN = Design(
    run=Run(id="melt-abc123", owner="ada", expires=1_800_000_000),
    name="melt",
    target="aws",
    region="us-east-2",
    head=NODE,
    groups=(Group(name="cpu", min=1, max=3, node=NODE, spot="never", fabric="auto"),),
    filesystems=(Filesystem(mount="/shared", type="nfs", size=2**37, id=None),),
    software=Software(packages=("lammps", "gnuplot-nox=5.4.4+dfsg1-2"), setup="setup.sh"),
    jobs=(),
    ttl=7200,
    idle=600,
    budget=None,
    estimate=Estimate(hourly=None, hourly_max=None, total_max=None, basis=""),
)
SETUP = "#!/bin/sh\nset -e\n\n# déjà vu: ${#HOME} and {{ braces }} stay as they are\npip install 'numpy<2'\n"
ROLES: tuple[Role, ...] = ("head", "compute", "login")


def parsed(text: str) -> dict[str, Any]:
    """As cloud-init reads it: YAML 1.1."""
    assert text.startswith("#cloud-config\n")
    yaml = YAML(typ="safe", pure=True)
    yaml.version = (1, 1)
    data: dict[str, Any] = yaml.load(text)
    return data


def written(config: dict[str, Any]) -> dict[str, str]:
    """Path → content."""
    return {item["path"]: item["content"] for item in config["write_files"]}


def phases(config: dict[str, Any]) -> dict[str, list[str]]:
    """Name → command, in order."""
    assert {command[0] for command in config["runcmd"]} == {"/opt/burst/phase.sh"}
    return {command[1]: command[2:] for command in config["runcmd"]}


def rendered(
    role: Role, design: Design = DESIGN, setup: str | None = SETUP, site: Site | None = None, seam: Seam | None = None
) -> dict[str, Any]:
    """Render and read back."""
    return parsed(text(role, design, setup, site, seam))


def text(
    role: Role, design: Design = DESIGN, setup: str | None = SETUP, site: Site | None = None, seam: Seam | None = None
) -> str:
    """The user-data, with NFS between the machines unless a seam says otherwise."""
    return user_data.render(design, role, setup=setup, site=site or Site(), seam=seam or over_nfs(design, "head"))


@pytest.mark.parametrize("role", ROLES)
def test_golden(role: Role, snapshot: SnapshotAssertion) -> None:
    assert text(role) == snapshot


def test_head_runs_its_phases_in_order() -> None:
    commands = phases(rendered("head"))
    assert list(commands) == [*("reports", "name", "expiry", "packages", "pmix", "exports", "software", "setup", "slurmctld")]
    assert {"slurmctld", "nfs-kernel-server", "libpmix2", "munge"} <= set(commands["packages"])
    assert commands["exports"] == ["/opt/burst/export.sh", "--nfs", "/home", "/shared"]
    assert commands["software"] == ["/opt/burst/packages.sh", "lammps", "gnuplot-nox=5.4.4+dfsg1-2"]
    assert "BURST_ROLE=head" in commands["setup"]


def test_compute_joins_last() -> None:
    commands = phases(rendered("compute"))
    assert list(commands) == ["name", "expiry", "packages", "pmix", "filesystems", "software", "setup", "join"]
    assert {"slurmd", "nfs-common", "libpmix2", "munge"} <= set(commands["packages"])
    assert commands["join"] == ["/opt/burst/join.sh", "head:6817"]
    assert "BURST_ROLE=node" in commands["setup"]


def test_only_the_head_has_slurms_configuration() -> None:
    assert {"/etc/slurm/slurm.conf", "/etc/slurm/cgroup.conf", "/etc/exports.d/burst.exports"} <= set(written(rendered("head")))
    files = written(rendered("compute"))
    assert not [path for path in files if path.startswith(("/etc/slurm/", "/etc/exports"))]
    assert "wait-port.sh head 6817 600" in files["/etc/systemd/system/slurmd.service.d/burst.conf"]
    assert files["/opt/burst/fstab"] == (
        "head:/home /home nfs4 hard,noatime,_netdev,retry=0 0 0\nhead:/shared /shared nfs4 hard,noatime,_netdev,retry=0 0 0\n"
    )


def test_gres_conf_where_there_are_gpus() -> None:
    gpus = DESIGN.groups[0].model_copy(update={"name": "gpu", "node": NODE.model_copy(update={"gpus": 1, "gpu": "l4"})})
    design = DESIGN.model_copy(update={"groups": (*DESIGN.groups, gpus)})
    assert "Type=l4" in written(rendered("head", design))["/etc/slurm/gres.conf"]


def test_every_program_that_slurm_calls_is_there_but_the_launcher() -> None:
    files = written(rendered("head"))
    assert "PrologSlurmctld=/opt/burst/wait-for-nodes\n" in files["/etc/slurm/slurm.conf"]
    assert files["/opt/burst/wait-for-nodes"].startswith("#!/bin/sh\n")
    fixed = DESIGN.model_copy(update={"groups": (DESIGN.groups[0].model_copy(update={"max": 1}),)})
    assert "/opt/burst/wait-for-nodes" not in written(rendered("head", fixed))


def test_slurmd_is_held_until_the_machine_joins() -> None:
    config = rendered("compute")
    assert ["systemctl", "mask", "--runtime", "slurmd.service"] in [command[3:] for command in config["bootcmd"]]
    assert "systemctl unmask --runtime slurmd\n" in written(config)["/opt/burst/join.sh"]


LAST = {"head": "slurmctld", "compute": "join", "login": "login"}


@pytest.mark.parametrize("role", ROLES)
def test_nothing_asked_for_nothing_done(role: Role) -> None:
    design = DESIGN.model_copy(update={"filesystems": (), "software": Software(packages=(), setup=None)})
    config = rendered(role, design, setup=None)
    first = ["reports", "name"] if role == "head" else ["name"]
    # The home folder is always there for all.
    shared = "exports" if role == "head" else "filesystems"
    assert list(phases(config)) == [*first, "expiry", "packages", "pmix", shared, LAST[role]]
    assert not [path for path in written(config) if "setup" in path or "notice" in path or "resume" in path]


def test_a_seam_without_nfs_binds_what_the_host_gives() -> None:
    bound = Seam(shape="gcp", served=("/home",), nfs=False, mounts=(Mount("/home", "/exports/home", "none", "bind"),))
    head, node = rendered("head", seam=bound), rendered("compute", seam=bound)
    assert phases(head)["exports"] == ["/opt/burst/export.sh", "/home"]
    assert written(node)["/opt/burst/fstab"] == "/exports/home /home none bind 0 0\n"
    assert not [name for config in (head, node) for name in phases(config)["packages"] if name.startswith("nfs")]
    assert "metadata.py gcp" in written(node)["/opt/burst/metadata"]


def test_a_managed_filesystem_is_mounted_by_all_with_its_own_client() -> None:
    lustre = Mount("/fsx", "fs-1@tcp:/abc", "lustre", "noatime,flock,_netdev", on_head=True, client="gateway.sh")
    seam = Seam(shape="aws", served=("/home",), mounts=(Mount("/home", "head:/home"), lustre))
    head, node = rendered("head", seam=seam), rendered("compute", seam=seam)
    assert written(head)["/opt/burst/fstab"] == "fs-1@tcp:/abc /fsx lustre noatime,flock,_netdev 0 0\n"
    assert phases(node)["filesystems"] == ["/opt/burst/mount.sh", "600", "/home", "/fsx"]
    for config in (head, node):
        assert list(phases(config)).index("gateway") < list(phases(config)).index("filesystems")


def test_nodes_behind_the_head_wait_for_its_cache_and_ask_it() -> None:
    seam = Seam(shape="aws", behind_head="10.77.0.0/16")
    head, node = rendered("head", seam=seam), rendered("compute", seam=seam)
    assert phases(head)["gateway"] == ["/opt/burst/gateway.sh", "10.77.0.0/16"]
    assert list(phases(head)).index("gateway") < list(phases(head)).index("packages"), "nodes wait for it"
    assert "packages.sh --no-install-recommends nftables apt-cacher-ng\n" in written(head)["/opt/burst/gateway.sh"]
    assert phases(node)["way-out"] == ["/opt/burst/wait-port.sh", "head", "3142", "600"]
    assert list(phases(node)).index("way-out") < list(phases(node)).index("packages")
    assert 'Acquire::http::Proxy "http://head:3142";\n' in written(node)["/etc/apt/apt.conf.d/98burst-cache"]
    assert "/etc/apt/apt.conf.d/98burst-cache" not in written(head)


def test_the_head_launches_the_first_nodes_where_no_client_will() -> None:
    told = Launcher("nspawn", {"groups": {}}, {"/opt/burst/compute": "c2VjcmV0"})
    head = rendered("head", seam=Seam(shape="aws", launcher=told, first=True))
    assert phases(head)["first"] == ["/opt/burst/first", "cpu-1"]
    # What it says is in its phase's log and nowhere else: that is what a machine that fails tells.
    assert (
        written(head)["/opt/burst/first"]
        == '#!/bin/sh\nexec python3 -I /opt/burst/launch/resume.py first /opt/burst/launch.json "$1"\n'
    )
    secret = next(f for f in head["write_files"] if f["path"] == "/opt/burst/compute")
    assert (secret["permissions"], secret["content"]) == ("0600", "c2VjcmV0")
    assert "first" not in phases(rendered("head", seam=Seam(shape="aws", launcher=told)))


def test_login_nodes_are_launched_with_the_first() -> None:
    told = Launcher("nspawn", {"groups": {}})
    decided = design("version: 1\nname: a\nlogin: {nodes: 2}\ngroups: {cpu: {nodes: {max: 2}}}\n")
    head = rendered("head", decided, seam=Seam(shape="aws", launcher=told, first=True))
    assert phases(head)["first"] == ["/opt/burst/first", "login-[1-2]"]


def test_filesystems_of_others_are_not_exported() -> None:
    others = (
        Filesystem(mount="/fsx", type="lustre", size=2**40, id=None),
        Filesystem(mount="/old", type="nfs", size=2**40, id="fs-0123"),
    )
    config = rendered("head", DESIGN.model_copy(update={"filesystems": others}))
    assert phases(config)["exports"] == ["/opt/burst/export.sh", "--nfs", "/home"]


def test_the_head_launches_where_it_is_told_how() -> None:
    files = written(rendered("head", seam=Seam(shape="aws", launcher=Launcher("nspawn", {"groups": {"cpu": []}}))))
    assert json.loads(files["/opt/burst/launch.json"]) == {"groups": {"cpu": []}}
    for verb in ("resume", "suspend"):
        assert f"resume.py {verb} /opt/burst/launch.json" in files[f"/opt/burst/{verb}"]
    assert {"/opt/burst/launch/resume.py", "/opt/burst/launch/nspawn.py"} <= set(files)
    assert "/opt/burst/launch.json" not in written(rendered("head"))


@pytest.mark.parametrize("role", ROLES)
def test_every_machine_ends_at_the_expiry(role: Role) -> None:
    files = written(rendered(role))
    assert "OnCalendar=2027-01-15 08:00:00 UTC\n" in files["/etc/systemd/system/burst-expiry.timer"]
    ends = "/opt/burst/end.sh cpu-[1-3] limits.ttl" if role == "head" else "/usr/bin/systemctl poweroff"
    assert f"ExecStart={ends}\n" in files["/etc/systemd/system/burst-expiry.service"]


def test_only_spot_nodes_wait_for_a_notice() -> None:
    spot = DESIGN.model_copy(update={"groups": (DESIGN.groups[0].model_copy(update={"spot": "prefer"}),)})
    assert "notice" in phases(rendered("compute", spot))
    assert "notice" not in phases(rendered("compute"))


@pytest.mark.parametrize("role", ROLES)
def test_secrets_are_filled_in_last(role: Role) -> None:
    key = "-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n-----END OPENSSH PRIVATE KEY-----\n"
    told = secrets.Keys(b"\0munge", "ssh-ed25519 AAAA client", key, "ssh-ed25519 AAAA head")
    assert "munge" not in repr(told)
    assert "PRIVATE" not in repr(told)
    config = parsed(secrets.fill(text(role), told, "10.9.8.7"))
    assert "@" not in json.dumps([config.get("ssh_keys"), config["users"]])
    assert config["users"][0]["ssh_authorized_keys"] == ["ssh-ed25519 AAAA client"]
    assert next(f for f in config["write_files"] if f["path"] == "/etc/munge/munge.key")["content"] == "AG11bmdl"
    assert "10.9.8.7 head\n" in written(config)["/etc/hosts"]
    if role == "compute":
        assert "ssh_keys" not in config
    else:
        assert config["ssh_keys"]["ed25519_private"] == key


@pytest.mark.parametrize("role", ROLES)
def test_placeholders_stand_where_a_target_fills_them_in(role: Role) -> None:
    config = rendered(role)
    key = next(item for item in config["write_files"] if item["path"] == "/etc/munge/munge.key")
    assert key == {
        "path": "/etc/munge/munge.key",
        "permissions": "0400",
        "owner": "munge:munge",
        "encoding": "b64",
        "content": secrets.MUNGE_KEY,
    }
    assert f"{secrets.HEAD_ADDRESS} head\n" in written(config)["/etc/hosts"]
    assert "10.0.0.2 head\n" in written(rendered(role, site=Site(address="10.0.0.2")))["/etc/hosts"]


@pytest.mark.parametrize("role", ROLES)
def test_nothing_upgrades_itself(role: Role) -> None:
    config = rendered(role)
    assert (config["package_update"], config["package_upgrade"]) == (False, False)
    assert 'APT::Periodic::Enable "0";' in written(config)["/etc/apt/apt.conf.d/99burst"]


@pytest.mark.parametrize(
    ("setup", "expected"),
    [
        (SETUP, SETUP),
        ("echo hello", "#!/bin/bash\necho hello\n"),
        ("", "#!/bin/bash\n"),
        ("#!/bin/sh\n\tcat <<X\r\n\x1b[1m \U0001f680\u2028\nX\n\n", "#!/bin/sh\n\tcat <<X\r\n\x1b[1m \U0001f680\u2028\nX\n\n"),
    ],
)
def test_setup_arrives_as_it_is(setup: str, expected: str) -> None:
    assert written(rendered("compute", setup=setup))["/opt/burst/setup"] == expected


@given(st.text(st.characters(exclude_categories=["Cs"])), st.sampled_from(["", "\n", " \n", "\n\n"]))
def test_any_content_survives_yaml(text: str, end: str) -> None:
    document = "#cloud-config\nwrite_files:\n" + embed.file("/a b", text + end, owner="x:y") + "\n"
    assert written(parsed(document)) == {"/a b": text + end}


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]))))
def test_any_argument_survives_yaml(words: list[str]) -> None:
    assert parsed(f"#cloud-config\nruncmd:\n- {embed.listed(words)}\n")["runcmd"] == [words]


def test_a_strange_mount_point_is_escaped() -> None:
    odd = Filesystem(mount='/my data#"1"', type="nfs", size=1, id=None)
    design = DESIGN.model_copy(update={"filesystems": (odd,)})
    assert (
        written(rendered("head", design))["/etc/exports.d/burst.exports"].splitlines()[-1].startswith("/my\\040data\\043\\0421")
    )
    assert phases(rendered("compute", design))["filesystems"] == ["/opt/burst/mount.sh", "600", "/home", '/my data#"1"']


def test_the_same_design_gives_the_same_bytes() -> None:
    assert len({text("head") for _ in range(3)}) == 1


def test_size() -> None:
    small = text("compute")
    assert user_data.size_findings(small) == ()
    noise = random.Random(1).randbytes(20_000).hex()
    levels = {finding.level for n in range(0, len(noise), 500) for finding in user_data.size_findings(small + noise[:n])}
    assert levels == {Level.WARNING, Level.ERROR}
    (finding,) = user_data.size_findings(small + noise)
    assert finding.code == "user-data-size"
    assert "16KiB" in finding.message

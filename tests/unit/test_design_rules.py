"""What a cloud would refuse in a Design: each rule fires where it must, says nothing elsewhere, and has its line and fix."""

from __future__ import annotations

from pathlib import Path

import pytest
from making import RUN, marked, spec, write

from provisioner.catalog.filesystems import SERVICES, Steps, gib, shown
from provisioner.catalog.markets import has_spot
from provisioner.catalog.table import bundled
from provisioner.design.attempts import order
from provisioner.design.decide import decide
from provisioner.design.rules import RULES
from provisioner.findings import Finding, Level
from provisioner.lifecycle.prepare import decided
from provisioner.spec.load import FileRefused
from provisioner.spec.model import parse_target

HEAD = "version: 1\nname: a\n"

# rule → (target, what follows the file's head, message, fix).
TABLE: dict[str, list[tuple[str, str, str, str]]] = {
    "filesystem-size": [
        (
            "aws",
            "groups: {cpu: {nodes: 1}}\nfilesystems:\n  /scratch: {type: lustre, size: 3TiB}  # <<<\n",
            "filesystems./scratch: 3TiB, but FSx for Lustre comes in 1200GiB, 2400GiB and each 2400GiB more",
            "size: 2400GiB (about 0.46 USD an hour) or 4800GiB (about 0.92 USD an hour); it is billed by its size",
        ),
        (
            "gcp",
            "groups: {cpu: {nodes: 1}}\nfilesystems:\n  /scratch: {type: lustre, size: 1200GiB}  # <<<\n",
            "filesystems./scratch: 1200GiB, but Google Cloud Managed Lustre comes in multiples of 9000GiB",
            "size: 9000GiB (about 7.40 USD an hour); it is billed by its size",
        ),
        (
            "gcp",
            "groups: {cpu: {nodes: 1}}\nfilesystems:\n  '/data. in': {type: managed-nfs}  # <<<\n",
            "filesystems./data. in: 100GiB, but Filestore comes in 1TiB to 9.75TiB by 256GiB, 10TiB to 100TiB by 2.5TiB",
            "size: 1TiB (about 0.35 USD an hour); it is billed by its size",
        ),
        (
            "azure",
            "groups: {cpu: {nodes: 1}}\nfilesystems:\n  /scratch: {type: lustre, size: 130TiB}  # <<<\n",
            "filesystems./scratch: 130TiB, but Azure Managed Lustre comes in 4TiB to 128TiB by 4TiB",
            "size: 128TiB (about 26.03 USD an hour); it is billed by its size",
        ),
        (
            "aws",
            "groups: {cpu: {nodes: 1}}\nfilesystems:\n  /scratch: {type: lustre, size: 1199.5GiB}  # <<<\n",
            "filesystems./scratch: 1199.5GiB, but FSx for Lustre comes in 1200GiB, 2400GiB and each 2400GiB more",
            "size: 1200GiB (about 0.23 USD an hour); it is billed by its size",
        ),
        (
            "azure",
            "groups: {cpu: {nodes: 1}}\nfilesystems:\n  /data: {type: managed-nfs, size: 50GiB}  # <<<\n",
            "filesystems./data: 50GiB, but Azure Files comes in 100GiB to 100TiB",
            "size: 100GiB (about 0.02 USD an hour); it is billed by its size",
        ),
    ],
    "no-spot": [
        (
            "aws",
            "groups:\n  cpu: {instance: [hpc7a.96xlarge, c7a.48xlarge], nodes: 1, spot: only}  # <<<\n",
            "groups.cpu: aws has no spot market for hpc7a.96xlarge",
            "spot: never, or another type",
        ),
        (
            "gcp",
            "groups:\n  cpu: {instance: h3-standard-88, nodes: 1, spot: only}  # <<<\n",
            "groups.cpu: gcp has no spot market for h3-standard-88",
            "spot: never, or another type",
        ),
    ],
    "on-demand-only": [
        (
            "aws",
            "groups:\n  cpu: {instance: [hpc7a.96xlarge, c7a.48xlarge], nodes: 1, spot: prefer}  # <<<\n",
            "groups.cpu: aws has no spot market for hpc7a.96xlarge: on demand alone",
            "leave out spot: prefer, or the type",
        ),
    ],
    "no-identity": [
        (
            "aws",
            "identity: none\ngroups:\n  cpu: {nodes: {min: 1, max: 2}}  # <<<\n",
            "groups.cpu is elastic, but with identity: none the head may launch no machine",
            "nodes: a number and spot: never; or identity: the id of one that may",
        ),
        (
            "gcp",
            "identity: none\ngroups:\n  cpu: {nodes: 2, spot: prefer}  # <<<\n",
            "groups.cpu is spot, but with identity: none the head may launch no machine",
            "nodes: a number and spot: never; or identity: the id of one that may",
        ),
        (
            "azure",
            "identity: none\ngroups: {cpu: {nodes: 1}}\nfilesystems:\n  /data: {type: bucket}  # <<<\n",
            "filesystems./data: it is a bucket, which nobody may open with identity: none",
            "type: nfs; or identity: the id of one that may",
        ),
    ],
    "network": [
        (
            cloud,
            "groups: {cpu: {nodes: 1}}\nnetwork:\n  id: net-1  # <<<\n",
            "network.id names a network, but network.subnet none of its subnets",
            "add subnet: one in the target's region",
        )
        for cloud in ("aws", "gcp", "azure")
    ],
    "infiniband": [
        (
            "azure",
            "groups:\n  cpu: {instance: Standard_HB120rs_v3, nodes: 2, spot: prefer}  # <<<\n",
            "groups.cpu: InfiniBand needs an availability set, and Azure has no spot machines in one",
            "spot: never, or fabric: never",
        ),
        (
            "azure",
            "groups:\n  cpu: {instance: Standard_HB120rs_v3, nodes: 201}  # <<<\n",
            "groups.cpu: 201 nodes, but an availability set holds 200",
            "nodes: 200 at most, several groups, or fabric: never",
        ),
    ],
}
WARNINGS = {"on-demand-only"}
ROWS = [(code, *row) for code, rows in TABLE.items() for row in rows]


def found(text: str, target: str) -> tuple[Finding, ...]:
    return decide(spec(HEAD + text), bundled(), RUN, parse_target(target))[1]


def test_every_rule_is_in_the_table() -> None:
    assert RULES.keys() == TABLE.keys()


@pytest.mark.parametrize(("code", "target", "text", "message", "fix"), ROWS)
def test_a_rule_fires_alone_with_its_line(folder: Path, code: str, target: str, text: str, message: str, fix: str) -> None:
    if code in WARNINGS:
        (one,) = decided(write(folder, HEAD + text), target)[2]
    else:
        with pytest.raises(FileRefused) as caught:
            decided(write(folder, HEAD + text), target)
        (one,) = caught.value.findings
    level = Level.WARNING if code in WARNINGS else Level.ERROR
    assert (one.level, one.code, one.message, one.fix) == (level, code, message, fix)
    assert [one.line] == marked(HEAD + text)


@pytest.mark.parametrize(("code", "target", "text", "message", "fix"), ROWS)
def test_in_a_rehearsal_it_is_a_warning(code: str, target: str, text: str, message: str, fix: str) -> None:
    for place in ("local", "nspawn"):
        (one,) = found(f"target: {target}\n" + text, place)
        assert (one.level, one.code, one.message) == (Level.WARNING, code, message)
        # Without a cloud there is none that would refuse it; a type by name is one of its cloud's all the same.
        assert found(text, place) == ()


FINE = [
    ("azure", "groups: {cpu: {nodes: {max: 2}, spot: only}}\n"),
    ("aws", "groups: {cpu: {nodes: 1}}\nfilesystems: {/s: {type: lustre, size: 1200GiB}, /t: {type: lustre, size: 7200GiB}}\n"),
    (
        "aws",
        "groups: {cpu: {nodes: 1}}\nfilesystems: {/e: {type: managed-nfs}, /b: {type: bucket}, /n: {type: nfs, size: 3GiB}}\n",
    ),
    ("aws", "groups: {cpu: {nodes: 1}}\nfilesystems: {/s: {type: lustre, id: fs-0123}}\n"),
    (
        "gcp",
        "groups: {cpu: {nodes: 1}}\nfilesystems: {/s: {type: lustre, size: 27000GiB}, /f: {type: managed-nfs, size: 1280GiB}}\n",
    ),
    ("azure", "groups: {cpu: {nodes: 1}}\nfilesystems: {/s: {type: lustre, size: 8TiB}, /f: {type: managed-nfs}}\n"),
    ("aws", "groups: {cpu: {instance: c7a.48xlarge, nodes: 2, spot: prefer}}\n"),
    ("azure", "groups: {cpu: {instance: Standard_HB120rs_v3, nodes: 300, spot: only, fabric: never}}\n"),
    ("azure", "groups: {cpu: {instance: Standard_HB120rs_v3, nodes: {max: 200}}}\n"),
    ("aws", "identity: none\ngroups: {cpu: {nodes: 2}}\n"),
    ("aws", "identity: my-profile\ngroups: {cpu: {nodes: {max: 2}, spot: prefer}}\n"),
]


@pytest.mark.parametrize(("target", "text"), FINE)
def test_what_a_cloud_takes_is_fine(target: str, text: str) -> None:
    assert found(text, target) == ()


def test_a_type_that_is_chosen_for_a_spot_group_is_on_the_spot_market() -> None:
    text = HEAD + "groups: {plain: {nodes: 1}, spot: {nodes: 1, spot: prefer}}\n"
    groups = decide(spec(text), bundled(), RUN, parse_target("azure"))[0].groups
    assert [has_spot("azure", group.node.instance) for group in groups] == [False, True]


def test_what_is_never_spot_is_not_asked_for_as_spot() -> None:
    text = HEAD + "groups: {{cpu: {{instance: [hpc7a.96xlarge, c7a.48xlarge], nodes: 1, spot: {}}}}}\n"

    def tried(spot: str) -> list[tuple[str, str]]:
        group = decide(spec(text.format(spot)), bundled(), RUN, parse_target("aws"))[0].group("cpu")
        return [(market, node.instance) for market, node in order(group, "aws")]

    both = [("on-demand", "hpc7a.96xlarge"), ("on-demand", "c7a.48xlarge")]
    assert tried("never") == both
    assert tried("prefer") == [("spot", "c7a.48xlarge"), *both]
    assert tried("only") == [("spot", "c7a.48xlarge")]


def test_steps() -> None:
    steps = Steps(100, 40, 190)
    assert [steps.above(n) for n in (1, 100, 101, 140, 180, 181)] == [100, 100, 140, 140, 180, None]
    assert [steps.below(n) for n in (99, 100, 179, 180, 9999)] == [None, 100, 140, 180, 180]
    assert SERVICES["gcp", "managed-nfs"].nearest(9985) == (9984, 10240)
    assert SERVICES["aws", "lustre"].nearest(1300) == (1200, 2400)
    assert (gib(2**30), gib(2**30 + 1), shown(1200), shown(4096)) == (1, 2, "1200GiB", "4TiB")


def test_the_catalogue_has_no_spot_price_where_there_is_no_spot_market() -> None:
    assert [t.name for t in bundled().types if t.spot is not None and not has_spot(t.cloud, t.name)] == []

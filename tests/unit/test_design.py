"""Spec + catalogue → Design: what is chosen, in which order, at what price; and what is refused."""

from __future__ import annotations

import pytest
from making import RUN, catalogue, design, instance, spec

from provisioner.catalog.table import Catalogue
from provisioner.design.decide import decide, gres_type
from provisioner.design.model import Design
from provisioner.findings import Finding, Level
from provisioner.spec.model import parse_target

FEW = catalogue(
    instance("small", cores=2, vcpus=4, memory_mib=16384, on_demand=0.1),
    instance("large", cores=32, vcpus=64, memory_mib=131072, on_demand=2.0, spot=0.5),
    instance("larger", cores=48, vcpus=48, memory_mib=98304, on_demand=3.0),
    instance("l4", cores=4, vcpus=8, memory_mib=32768, gpus=1, gpu="L4", on_demand=0.8),
    instance("h100", cores=8, vcpus=16, memory_mib=65536, gpus=8, gpu="H100 NVL", on_demand=50.0),
    instance("free", cores=64, vcpus=64, memory_mib=262144, on_demand=None),
    instance("elsewhere", cloud="gcp", cores=64, vcpus=128, memory_mib=262144, on_demand=0.01),
)


def findings(text: str, target: str = "aws/us-east-2", known: Catalogue = FEW) -> tuple[Finding, ...]:
    return decide(spec(text), known, RUN, parse_target(target))[1]


def one_group(group: str, more: str = "") -> str:
    return f"version: 1\nname: a\ngroups: {{cpu: {group}}}\n{more}"


def test_an_instance_by_name() -> None:
    group = design(one_group("{instance: large, nodes: 3}"), "aws", FEW).group("cpu")
    assert (group.node.instance, group.node.cpus, group.node.cores) == ("large", 64, 32)
    assert group.node.memory_mib == int(131072 * 0.95)
    assert group.fixed == ("cpu-1", "cpu-2", "cpu-3")


def test_an_instance_nobody_knows_is_an_error() -> None:
    (found,) = findings(one_group("{instance: [large, lagre], nodes: 1}"))
    assert (found.level, found.code) == (Level.ERROR, "instance")
    assert found.message == "groups.cpu: the type 'lagre' is not in the catalogue"


@pytest.mark.parametrize(
    ("needs", "chosen"),
    [
        ("{}", "small"),
        ("{cores: 3}", "large"),
        ("{cores: 33}", "larger"),
        ("{cores: 33, memory: 120GiB}", "free"),
        ("{memory: 64GiB}", "large"),
        ("{gpus: 1}", "l4"),
        ("{gpus: 2}", "h100"),
        ("{gpus: 1, gpu: [h100 nvl, L4]}", "h100"),
        ("{gpus: 1, gpu: [A10G, L4]}", "l4"),
    ],
)
def test_needs_take_the_cheapest_that_fits(needs: str, chosen: str) -> None:
    assert design(one_group(f"{{needs: {needs}, nodes: 1}}"), "aws", FEW).group("cpu").node.instance == chosen


def test_no_cpu_group_gets_a_machine_with_gpus() -> None:
    known = catalogue(instance("gpu", gpus=1, gpu="L4", on_demand=0.1), instance("cpu", on_demand=9.0))
    assert design(one_group("{nodes: 1}"), "aws", known).group("cpu").node.instance == "cpu"


def test_needs_that_nothing_fits_are_an_error_on_a_cloud_and_a_warning_in_a_rehearsal() -> None:
    text = one_group("{needs: {cores: 500, memory: 1TiB, gpus: 1, gpu: [L4, T4]}, nodes: 1}", "target: [aws, local]\n")
    (on_aws,) = findings(text)
    (here,) = findings(text, "local")
    said = "groups.cpu: no type of aws in the catalogue has 500 cores, 1TiB, 1 GPUs L4 or T4"
    assert (on_aws.level, on_aws.message) == (Level.ERROR, said)
    assert (here.level, here.message) == (Level.WARNING, said)


def test_a_group_of_several_types_is_promised_what_all_of_them_have() -> None:
    group = design(one_group("{instance: [large, larger], nodes: 1}"), "aws", FEW).group("cpu")
    assert [node.instance for node in group.alternatives] == ["large", "larger"]
    assert (group.node.cpus, group.node.cores, group.node.memory_mib) == (48, 32, int(98304 * 0.95))
    assert group.node.instance == "large"


def test_a_rehearsal_of_a_file_without_a_cloud_is_declared_as_it_asks() -> None:
    node = design(one_group("{needs: {cores: 7, memory: 3GiB, gpus: 2, gpu: [H100 NVL]}, nodes: 1}")).group("cpu").node
    assert (node.instance, node.cpus, node.cores, node.memory_mib) == ("as declared", 7, 7, 3072)
    assert (node.gpus, node.gpu) == (2, "h100_nvl")
    assert gres_type("H100 NVL") == "h100_nvl"


def test_a_rehearsal_of_a_file_for_a_cloud_has_that_clouds_shapes() -> None:
    text = one_group("{needs: {cores: 3}, nodes: 1}", "target: [aws/us-east-2, gcp/us-central1]\n")
    assert design(text, "local", FEW).group("cpu").node.instance == "large"


ASKS = [
    ("{command: ls, tasks_per_node: 5}", "5 CPUs on a node, a node of cpu has 4"),
    ("{command: ls, cpus_per_task: 5}", "5 CPUs on a node, a node of cpu has 4"),
    ("{command: ls, tasks_per_node: 3, cpus_per_task: 2}", "6 CPUs on a node, a node of cpu has 4"),
    ("{command: ls, tasks: 9}", "9 CPUs, 2 nodes of cpu have 8"),
    ("{command: ls, tasks: 5, nodes: 1}", "5 CPUs, 1 nodes of cpu have 4"),
    ("{command: ls, memory: 5GiB}", "5GiB, a node of cpu has 4GiB"),
    ("{command: ls, gpus_per_node: 2}", "2 GPUs on a node, a node of cpu has 1"),
    ("{command: ls, gpus: 3}", "3 GPUs, 2 nodes of cpu have 2"),
    ("{command: ls, gpus: 2, nodes: 1}", "2 GPUs, 1 nodes of cpu have 1"),
]


@pytest.mark.parametrize(("job", "said"), ASKS)
def test_a_job_that_asks_for_more_than_there_can_be_is_an_error(job: str, said: str) -> None:
    text = one_group("{needs: {cores: 4, memory: 4GiB, gpus: 1}, nodes: {max: 2}}", f"jobs: {{big: {job}}}\n")
    found = findings(text, "local")
    assert {(f.level, f.code) for f in found} == {(Level.ERROR, "too-much")}
    assert f"jobs.big asks for {said}" in [f.message for f in found]


def test_a_job_that_asks_for_all_there_is_is_fine() -> None:
    job = "{command: ls, nodes: 2, tasks: 8, tasks_per_node: 4, memory: 4GiB, gpus: 2, gpus_per_node: 1}"
    text = one_group("{needs: {cores: 4, memory: 4GiB, gpus: 1}, nodes: {max: 2}}", f"jobs: {{all: {job}}}\n")
    assert findings(text, "local") == ()


def test_jobs_come_after_what_they_need_and_else_as_in_the_file() -> None:
    text = (
        one_group("{nodes: 1}")
        + "jobs:\n"
        + "".join(
            f"  {name}: {{command: ls, needs: [{needs}]}}\n"
            for name, needs in (("d", "b, c"), ("c", "a"), ("b", "a"), ("a", ""), ("e", ""))
        )
    )
    order = [job.name for job in design(text).jobs]
    assert order.index("a") < min(order.index("b"), order.index("c"))
    assert max(order.index("b"), order.index("c")) < order.index("d")
    assert sorted(order) == ["a", "b", "c", "d", "e"]


def test_a_job_as_sbatch_is_told_of_it() -> None:
    text = """\
    version: 1
    name: a
    groups: {cpu: {nodes: 1}, gpu: {nodes: 1, needs: {gpus: 1}}}
    jobs:
      a: {group: gpu, script: a.sh, array: 0-9%2, nodes: 1, tasks: 2, tasks_per_node: 2, cpus_per_task: 1, gpus: 1,
          gpus_per_node: 1, memory: 1.5GiB, time: 90s}
    """
    told = ["partition=gpu", "array=0-9%2", "nodes=1", "ntasks=2", "ntasks-per-node=2", "cpus-per-task=1", "gpus=1"]
    told += ["gpus-per-node=1", "mem=1536M", "time=2"]
    assert design(text).job("a").options == tuple(f"--{option}" for option in told)


def test_a_job_that_says_nothing_goes_to_the_first_group_with_no_options_of_its_own() -> None:
    text = "version: 1\nname: a\ngroups: {z: {nodes: 1}, a: {nodes: 1}}\njobs: {j: {command: ls}}\n"
    assert design(text).job("j").options == ("--partition=z",)


def test_an_estimate_counts_what_is_always_there_and_what_can_be() -> None:
    text = one_group("{instance: large, nodes: {min: 1, max: 4}}", "head: {instance: small}\nlimits: {ttl: 2h}\n")
    estimate = design(text, "aws", FEW).estimate
    # The head with its disk and address, and the nodes with theirs, for the life and five minutes to end it.
    head, node = 0.1 + 50 * 0.08 / 730 + 0.005, 2.0 + 32 * 0.08 / 730
    assert (estimate.hourly, estimate.hourly_max) == (round(head + node, 4), round(head + 4 * node, 4))
    assert estimate.total_max == pytest.approx((head + 4 * node) * 125 / 60, abs=0.02)
    assert estimate.expected is None, "there are no jobs"


def around(design: Design) -> float:
    """USD an hour without the head's disk and address, and two nodes' disks."""
    assert design.estimate.hourly is not None
    return design.estimate.hourly - round(50 * 0.08 / 730 + 0.005 + 2 * 32 * 0.08 / 730, 4)


def test_spot_only_is_estimated_at_its_price_and_unknown_prices_are_said_to_be() -> None:
    group = "{{instance: {}, nodes: 2, spot: only}}"
    small = "head: {instance: small}\n"
    assert around(design(one_group(group.format("large"), small), "aws", FEW)) == pytest.approx(1.1)
    # Where its spot price is not known: it is never more than on demand.
    assert around(design(one_group(group.format("larger"), small), "aws", FEW)) == pytest.approx(6.1)
    assert design(one_group("{instance: free, nodes: 1}"), "aws", FEW).estimate.total_max is None


def test_an_estimate_holds_whichever_type_of_a_group_is_to_be_had() -> None:
    text = one_group("{instance: [large, larger], nodes: 2}", "head: {instance: small}\n")
    assert around(design(text, "aws", FEW)) == pytest.approx(6.1)
    unknown = one_group("{instance: [large, free], nodes: 2}", "head: {instance: small}\n")
    assert design(unknown, "aws", FEW).estimate.hourly is None


def test_this_machine_costs_nothing() -> None:
    assert design(one_group("{instance: c7i.8xlarge, nodes: 9}")).estimate.total_max == 0.0


def test_the_head_is_as_asked_or_the_cheapest_with_eight_gib() -> None:
    assert design(one_group("{nodes: 1}", "head: {instance: large}\n"), "aws", FEW).head.instance == "large"
    assert design(one_group("{nodes: 1}"), "aws", FEW).head.instance == "small"


def test_a_head_nobody_knows_is_an_error() -> None:
    assert [f.code for f in findings(one_group("{nodes: 1}", "head: {instance: smal}\n"))] == ["instance"]


def test_a_type_of_another_cloud_is_an_error() -> None:
    assert [f.code for f in findings(one_group("{instance: elsewhere, nodes: 1}"), "aws/us-east-2")] == ["instance"]


def test_half_a_mebibyte_too_much_is_too_much() -> None:
    text = one_group("{needs: {memory: 4GiB}, nodes: 1}", "jobs: {a: {command: ls, memory: 4096.5MiB}}\n")
    assert [f.code for f in findings(text, "local")] == ["too-much"]

"""Every kind of thing that the AWS program makes × every class of error, in moto: what is left of the run, and of the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest
from aws_world import SEEN
from making import Still
from moto import mock_aws

from provisioner import clock
from provisioner.errors import Kind, Refused
from provisioner.targets.aws import listing, reaping
from provisioner.targets.aws.place import AwsPlace
from provisioner.targets.base import Resource
from tests.stacks.aws_again import again, recorded
from tests.stacks.aws_faults import CODES, DELETES, LISTS, faulty
from tests.stacks.aws_moto import session, tagged
from tests.stacks.aws_placement import placement_groups
from tests.stacks.matrix import PASSES, STAYS, UNASKED, Row, noted

RUN, OTHER = "test-abc234", "test-abc234-x7k2mp"
PLACE = AwsPlace()
_NETWORK = {"network-interface", "security-group", "subnet", "vpc"}
# What may stay with a thing that stays: what it uses, as EC2 has it. (moto holds less of it back.)
USES: dict[str, set[str]] = {
    "instance": {*_NETWORK, "volume", "placement-group", "address", "internet-gateway"},
    "nat-gateway": {*_NETWORK, "address", "internet-gateway"},
    "efs": _NETWORK,
    "fsx": _NETWORK,
    "vpc-endpoint": {"route-table", "vpc"},
    "instance-profile": {"role"},
    "network-interface": {*_NETWORK, "address", "internet-gateway"},
    "address": {"internet-gateway", "vpc"},
    "security-group": {"vpc"},
    "route-table": {"vpc"},
    "subnet": {"vpc", "route-table"},
    "internet-gateway": {"vpc"},
}


# All of the other run, which is there until the end.
_theirs: set[tuple[str, str]] = set()
# moto ends the table under an endpoint, and the endpoint never after that.
HELD = {"vpc-endpoint": ("route-table",)}


@contextmanager
def two_runs() -> Iterator[None]:
    """An AWS with all of another run in it, whose id begins with ours."""
    made = recorded(RUN)
    with pytest.MonkeyPatch.context() as patch, mock_aws(), placement_groups(), clock.use(Still()):
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        again(made, RUN, OTHER)
        _theirs.update(ids(PLACE.remains(session(), OTHER)))
        yield
        _theirs.clear()


@pytest.fixture(scope="module", autouse=True)
def _two_runs() -> Iterator[None]:
    with two_runs():
        yield


def whole() -> tuple[Resource, ...]:
    """All of a run, made now; also what a launch makes and not the stack: a spot request, a disk that outlives its machine,
    and a node's second interface.
    """
    made = again(recorded(RUN))
    subnet = next(each.id for each in made if each.type == "aws:ec2/subnet:Subnet")
    tags = tagged({listing.RUN: RUN})
    session().client("ec2").request_spot_instances(
        LaunchSpecification={"ImageId": "ami-12c6146b", "InstanceType": "c7i.large"},
        TagSpecifications=[{"ResourceType": "spot-instances-request", "Tags": tags}],
    )
    session().client("ec2").create_volume(
        AvailabilityZone="us-east-2a", Size=1, TagSpecifications=[{"ResourceType": "volume", "Tags": tags}]
    )
    session().client("ec2").create_network_interface(
        SubnetId=subnet, TagSpecifications=[{"ResourceType": "network-interface", "Tags": tags}]
    )
    return PLACE.remains(session(), RUN)


def ids(resources: Sequence[Resource]) -> set[tuple[str, str]]:
    return {(each.kind, each.id) for each in resources}


def passing(kind: str) -> Iterator[Row]:
    """Each deletion of every kind meets the fault once."""
    found = whole()
    assert {each.kind for each in found} == set(DELETES)
    with faulty(DELETES, kind, once=True) as met:
        assert PLACE.reap(session(), found) == ()
    assert {f"{service}.{operation}" for service, operation in DELETES.values()} == set(met.calls)
    left = PLACE.remains(session(), RUN)
    assert ids(PLACE.remains(session(), OTHER)) == _theirs
    for each in DELETES:
        yield Row("aws", f"delete {each}", f"{kind}, once", 1, len([one for one in left if one.kind == each]))


def staying(what: str) -> Iterator[Row]:
    """What cannot be deleted stays with what it uses, by name and reason, everything else goes; then it goes too."""
    found = whole()
    everything, own = ids(found), {each for each in ids(found) if each[0] == what}
    for kind in STAYS:
        with faulty({each: DELETES[each] for each in HELD.get(what, ())}, "IN_USE"), faulty({what: DELETES[what]}, kind) as met:
            found = PLACE.reap(session(), found)
        assert met.calls
        # Of a disk that has gone with its machine nobody knows it who may not delete it.
        assert ids(PLACE.remains(session(), RUN)) <= ids(found) <= everything
        assert own <= ids(found)
        assert {each.kind for each in found} <= {what, *USES.get(what, ())}
        code = CODES[DELETES[what][0]][kind][1]
        assert {each.why for each in found if each.kind == what} == {f"{kind}: {code}: as a test has it"}
    assert PLACE.reap(session(), found) == ()
    left = PLACE.remains(session(), RUN)
    assert ids(PLACE.remains(session(), OTHER)) == _theirs
    for kind in STAYS:
        yield Row("aws", f"delete {what}", f"{kind}, until it is mended", len(own), len(left))


def cut(count: int) -> Row:
    """The client died after so many resources: what was made of the run is seen, and ended; the other run is untouched."""
    made = again(recorded(RUN)[:count])
    found = PLACE.remains(session(), RUN)
    seen, expected = ids(found), {(SEEN[kind], each.id) for each in made if (kind := each.type.rpartition(":")[2]) in SEEN}
    # A machine's disk comes with it.
    assert {each for each in seen if each[0] != "volume"} == expected
    assert PLACE.reap(session(), found) == ()
    left = PLACE.remains(session(), RUN)
    assert ids(PLACE.remains(session(), OTHER)) == _theirs
    return Row("aws", f"cut after {count} of {len(recorded(RUN))} resources", "-", 1, len(left))


def test_every_kind_and_every_listing_has_its_call() -> None:
    assert set(DELETES) == set(reaping._DELETE)
    told = PLACE.remains(session(), "nobody-abc234")
    assert told == ()
    with faulty(LISTS, "AUTH") as met, pytest.raises(Refused) as caught:
        PLACE.remains(session(), RUN)
    assert len(met.calls) == len(LISTS) == len(listing._EC2) + 5
    assert caught.value.kind is Kind.AUTH
    assert "aws sso login" in caught.value.fix


@pytest.mark.parametrize("kind", PASSES)
def test_what_passes_leaves_nothing(kind: str) -> None:
    noted("aws (moto)", f"deleting meets {kind}, which passes", passing(kind))


@pytest.mark.parametrize("what", DELETES)
def test_what_stays_is_left_alone_and_goes_the_next_time(what: str) -> None:
    noted("aws (moto)", f"deleting is refused until that is mended ({', '.join(STAYS)}) | {what}", staying(what))


@pytest.mark.parametrize("count", range(40))
def test_a_cut_at_every_resource_leaves_nothing(count: int) -> None:
    assert len(recorded(RUN)) == 39, "give the test as many numbers as there are resources, and one more"
    noted("aws (moto)", f"the client dies after N of its things were made | {count}", [cut(count)], part="cuts")


@pytest.mark.parametrize("name", LISTS)
def test_a_listing_that_fails_is_not_empty(name: str) -> None:
    """All else is seen, and may be ended."""
    others = {each for each in ids(PLACE.remains(session(), OTHER)) if not _of(name, each[0])}
    for kind in UNASKED:
        with faulty({name: LISTS[name]}, kind):
            found = PLACE.remains(session(), OTHER)
        (unknown,) = [each for each in found if each.kind == "unknown"]
        assert unknown.id == name
        assert unknown.why.startswith(f"{kind}: {CODES[LISTS[name][0]][kind][1]}")
        assert others <= ids(found)


def _of(name: str, kind: str) -> bool:
    return kind in name.split(", ")

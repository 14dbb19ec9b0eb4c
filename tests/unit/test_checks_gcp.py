"""What Google Cloud is asked before anything is made: each finding, with its fix."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from google_fake import PROJECT, ZONE, Google, error, rpc_error
from google_world import BUCKETS, COMPUTE, FINE, GIVEN, HOST, PLACE, allow, family, session_of, told, world
from making import design

from provisioner.launch.gcp import Session
from provisioner.targets.gcp import checks, permissions
from provisioner.targets.gcp.permissions import GROUPS, needed


@pytest.fixture
def fine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Google]:
    with world(monkeypatch) as served:
        yield served


@pytest.fixture
def session(fine: Google) -> Session:
    return session_of(fine)


def found(session: Session, more: str = "") -> dict[str, str]:
    """Code → message; each has its fix."""
    said = PLACE.preflight(session, design(FINE % more, "gcp"))
    assert all(finding.fix for finding in said if finding.level.value != "info")
    return {finding.code: f"{finding.level.value}: {finding.message}" for finding in said}


def test_nothing_speaks_against_it(fine: Google, session: Session) -> None:
    assert found(session) == {}


def test_apis_that_are_off(fine: Google, session: Session) -> None:
    more = ", filesystems: {/scratch: {type: lustre, size: 9000GiB}}"
    assert found(session, more)["api-off"].endswith("has not enabled lustre.googleapis.com, servicenetworking.googleapis.com")


def test_apis_of_what_is_there_already(fine: Google, session: Session) -> None:
    """Where it is mounted by its address its API is nobody's business."""
    one = ", filesystems: {/scratch: {type: lustre, id: %s}}"
    assert found(session, one % f"projects/p-1/locations/{ZONE}/instances/s")["api-off"].endswith("enabled lustre.googleapis.com")
    assert found(session, one % '"10.8.0.2@tcp:/theirs"').keys() == {"filesystem"}


def test_nobody_pays(fine: Google, session: Session) -> None:
    fine.answers["cloudbilling.projects.getBillingInfo"] = told("cloudbilling", "ProjectBillingInfo", billingEnabled=False)
    (finding,) = PLACE.preflight(session, design(FINE % "", "gcp"))
    assert (finding.check, finding.code, finding.level.value) == ("services", "billing", "error")
    assert finding.fix == "gcloud billing projects link p-1 --billing-account ACCOUNT"
    for refusal in (
        rpc_error(403, "PERMISSION_DENIED", message="The caller does not have permission"),
        rpc_error(403, "PERMISSION_DENIED", "SERVICE_DISABLED", "Cloud Billing API has not been used"),
    ):
        fine.answers["cloudbilling.projects.getBillingInfo"] = refusal
        assert found(session).keys() == {"unchecked"}
        assert found(session)["unchecked"].startswith("warning: ")


def test_rights_that_are_missing(fine: Google, session: Session) -> None:
    allow(fine, [])
    said = [finding.message for finding in PLACE.preflight(session, design(FINE % "", "gcp")) if finding.level.value == "error"]
    assert "compute.instances.delete" in said[0]
    allow(fine, [p for group in GROUPS.values() for p in group if not p.startswith(("iam.roles.c", "iam.serviceAccounts.c"))])
    (finding,) = PLACE.preflight(session, design(FINE % "", "gcp"))
    assert finding.message == "you lack in p-1: iam.roles.create, iam.serviceAccounts.create"
    assert "identity: none" in finding.fix


def test_rights_without_which_less_is_known(fine: Google, session: Session) -> None:
    allow(fine, [p for group in GROUPS.values() for p in group if p not in ("compute.advice.capacity", "lustre.instances.list")])
    said = found(session)["permissions"]
    assert said.startswith("warning: ")
    assert said.endswith("compute.advice.capacity, lustre.instances.list")
    allow(
        fine, [p for group in GROUPS.values() for p in group if p not in ("storage.objects.list", "resourcemanager.projects.get")]
    )
    assert found(session)["permissions"].startswith("warning: ")
    more = ", filesystems: {/data: {type: bucket}, /scratch: {type: lustre, size: 9000GiB}}"
    assert found(session, more)["permissions"] == "error: you lack in p-1: resourcemanager.projects.get, storage.objects.list"


def test_each_right_is_asked_for_once(fine: Google, session: Session) -> None:
    """In requests of a hundred at most."""
    decided = design(FINE % ", filesystems: {/files: {type: managed-nfs, size: 1TiB}, /data: {type: bucket}}", "gcp")
    PLACE.preflight(session, decided, skip=[name for name, _ in checks.CHECKS if name != "permissions"])
    asked = [
        body["permissions"] for method, _, body in fine.asked if method == "cloudresourcemanager.projects.testIamPermissions"
    ]
    assert [permission for some in asked for permission in some] == list(needed(decided, PROJECT))
    assert max(len(some) for some in asked) <= 100 < len(needed(decided, PROJECT))


def test_rights_where_a_shared_network_is(fine: Google, session: Session) -> None:
    subnet(fine)
    assert found(session, GIVEN) == {}
    fine.answers["compute.subnetworks.testIamPermissions"] = (
        200,
        {"permissions": [*permissions._POLICY, "compute.subnetworks.useExternalIp"]},
    )
    assert found(session, GIVEN) == {
        "permissions": "error: you lack at projects/host-1/regions/us-central1/subnetworks/hpc, or it is not there: compute.subnetworks.use"
    }


def test_an_account_of_somebody_else(fine: Google, session: Session) -> None:
    more = ", identity: hpc@p-1.iam.gserviceaccount.com"
    assert found(session, more) == {}
    assert "iam.serviceAccounts.actAs" not in needed(design(FINE % more, "gcp"), PROJECT)
    fine.answers["iam.projects.serviceAccounts.testIamPermissions"] = (200, {})
    assert found(session, more)["identity"].startswith("error: hpc@p-1.iam.gserviceaccount.com: you may not give it")
    fine.answers["iam.projects.serviceAccounts.testIamPermissions"] = rpc_error(
        404, "NOT_FOUND", message="Unknown service account"
    )
    assert found(session, more)["identity"].endswith("or there is no such account")


def subnet(google: Google, free: int | None = 200, cidr: str = "10.20.0.0/24", **more: object) -> None:
    """The one that GIVEN names; with so many addresses left, as Google counts them."""
    used = [{"totalAllocatedIp": "50", "totalFreeIp": str(free)}, {"rangeName": "pods", "totalFreeIp": "0"}]
    known = {"ipCidrRange": cidr, "network": "https://www.googleapis.com/compute/v1/projects/host-1/global/networks/shared"}
    known |= {"utilizationDetails": {"ipv4Utilizations": used}} if free is not None else {}
    _, answer = told("compute", "Subnetwork", **known, **more)
    google.put(f"{HOST}/regions/us-central1/subnetworks/hpc", **answer)


def test_a_network_that_is_there(fine: Google, session: Session) -> None:
    assert found(session, GIVEN) == {"network": "error: there is no projects/host-1/regions/us-central1/subnetworks/hpc"}
    subnet(fine)
    assert found(session, GIVEN) == {}
    other = GIVEN.replace("networks/shared", "networks/other")
    assert found(session, other)["network"].startswith("error: hpc is a subnet of projects/host-1/global/networks/shared, not of")


def test_room_in_the_subnet(fine: Google, session: Session) -> None:
    """The head and four nodes at most; Google's own count is asked for, and what nobody may have counts as taken."""
    subnet(fine, free=5)
    assert found(session, GIVEN) == {}
    assert ("compute.subnetworks.get", {"views": ["WITH_UTILIZATION"]}, None) in fine.asked
    subnet(fine, free=4)
    said = found(session, GIVEN)["network"]
    assert said == "warning: hpc (10.20.0.0/24) has 4 addresses left, with all nodes it takes 5"
    subnet(fine, free=1)
    (finding,) = PLACE.preflight(session, design(FINE % GIVEN, "gcp"))
    assert finding.message == "hpc (10.20.0.0/24) has 1 addresses left, the head and what is always there take 2"
    assert "expand-ip-range hpc --project host-1 --region us-central1 --prefix-length 23" in finding.fix
    subnet(fine, free=None, cidr="10.20.0.0/29")
    assert found(session, GIVEN)["network"].startswith("warning: hpc (10.20.0.0/29) has 4 addresses left")


def test_the_way_to_buckets(fine: Google, session: Session) -> None:
    more = f"{GIVEN}, filesystems: {{/data: {{type: bucket}}}}"
    subnet(fine)
    assert found(session, more) == {
        "network": "warning: hpc has no private Google access: every byte of a bucket goes through the head"
    }
    subnet(fine, privateIpGoogleAccess=True)
    assert found(session, more) == {}


def test_images(fine: Google, session: Session) -> None:
    more = ", image: projects/p-1/global/images/ours"
    assert found(session, more) == {"image": "error: there is no projects/p-1/global/images/ours"}
    assert found(session, ", image: ours")["image"] == "error: ours is no image's name here"
    usual = {"status": "READY", "architecture": "X86_64", "diskSizeGb": "10"}
    for known, said in (
        ({}, ""),
        ({"status": "PENDING"}, "error: projects/p-1/global/images/ours is PENDING: nothing can boot from it"),
        (
            {"architecture": "ARM64"},
            "error: projects/p-1/global/images/ours is for arm64, and c3-standard-4, n2-standard-8 are not",
        ),
        (
            {"deprecated": {"state": "OBSOLETE"}},
            "error: projects/p-1/global/images/ours is OBSOLETE: no machine can be made of it",
        ),
        ({"deprecated": {"state": "DEPRECATED"}}, "warning: projects/p-1/global/images/ours is deprecated"),
        ({"deprecated": {"state": "ACTIVE"}}, ""),
        ({"diskSizeGb": "40"}, "error: projects/p-1/global/images/ours needs 40 GiB, and the disk of group cpu has 30"),
    ):
        _, image = told("compute", "Image", **{**usual, **known})
        fine.put(f"{COMPUTE}/global/images/ours", **image)
        assert found(session, more).get("image", "") == said


def test_an_image_of_one_group(fine: Google, session: Session) -> None:
    """By its family; only that group's machines boot from it, whose disks are larger then."""
    text = "{version: 1, name: t, head: {instance: c3-standard-4}, groups: {cpu: {instance: c3-standard-4, nodes: 1, image: projects/p-1/global/images/family/f}}}"
    _, image = told("compute", "Image", status="READY", architecture="X86_64", diskSizeGb="100")
    fine.put(f"{COMPUTE}/global/images/family/f", **image)
    assert PLACE.preflight(session, design(text, "gcp")) == ()
    fine.put(f"{COMPUTE}/global/images/family/f", **{**image, "diskSizeGb": "101"})
    assert [finding.fix for finding in PLACE.preflight(session, design(text, "gcp"))] == ["a smaller image"]


def test_what_google_has_not(fine: Google, session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks.shutil, "which", lambda name: None)
    more = ", identity: none, network: {access: tunnel}"
    text = FINE.replace("{min: 1, max: 4}", "1") % more
    assert {finding.code for finding in PLACE.preflight(session, design(text, "gcp"))} == {"tunnel"}
    late = design(FINE % ", identity: {boundary: b}", "gcp")
    late = late.model_copy(update={"run": late.run.model_copy(update={"expires": 1_900_000_000})})
    assert {finding.code for finding in PLACE.preflight(session, late)} == {"boundary", "ttl"}


def test_what_may_not_be_looked_at_is_said(fine: Google, session: Session) -> None:
    fine.answers["serviceusage.services.batchGet"] = error(403, "forbidden", "Required serviceusage.services.get")
    assert found(session)["unchecked"].startswith("warning: services could not be checked: forbidden: Required")
    fine.answers["serviceusage.services.batchGet"] = error(401, "authError", "expired")
    assert found(session)["unchecked"] == "error: services could not be checked: authError: expired"
    fine.answers["serviceusage.services.batchGet"] = error(400, "badRequest", "?")
    (unchecked,) = PLACE.preflight(session, design(FINE % "", "gcp"))
    assert (unchecked.level.value, unchecked.check) == ("warning", "services")
    assert unchecked.fix == "allow the call, or leave it out: --skip services"


def test_a_detached_run_s_bucket(fine: Google, session: Session) -> None:
    def said(more: str = "") -> list[str]:
        decided = design(FINE % more, "gcp", wrong=True).model_copy(update={"results": "gs://theirs/x"})
        return [finding.message for finding in PLACE.preflight(session, decided) if finding.code == "results"]

    fine.answers["storage.buckets.get"] = error(404, "notFound")
    assert said() == ["gs://theirs/x: there is no such bucket"]
    fine.answers["storage.buckets.get"] = (200, {})
    fine.answers["storage.buckets.testIamPermissions"] = (200, {})
    assert [each.split(": ")[1].split(" ")[0] for each in said()] == ["its", "you"]
    fine.answers["storage.buckets.get"] = (200, {"iamConfiguration": {"uniformBucketLevelAccess": {"enabled": True}}})
    fine.answers["storage.buckets.testIamPermissions"] = (200, {"permissions": ["storage.buckets.setIamPolicy"]})
    assert said() == []
    assert "may write nowhere" in said(", identity: none")[0]


# Everything that a check asks first; the design below needs all of them.
FIRST = {
    "cloudresourcemanager.projects.testIamPermissions": "permissions",
    "iam.projects.serviceAccounts.testIamPermissions": "identity",
    "serviceusage.services.batchGet": "services",
    "cloudbilling.projects.getBillingInfo": "services",
    "compute.zones.list": "types",
    "compute.machineTypes.aggregatedList": "types",
    "compute.images.get": "images",
    "compute.subnetworks.get": "network",
    "file.projects.locations.instances.get": "filesystems",
    "storage.buckets.get": "filesystems",
    "lustre.projects.locations.instances.list": "filesystems",
    "compute.projects.get": "quota",
    "compute.regions.get": "quota",
    "compute.instances.aggregatedList": "quota",
    "cloudquotas.projects.locations.services.quotaInfos.get": "quota",
}
ALL = FINE.replace("n2-standard-8", "c4-standard-8") % (
    f"{GIVEN}, image: projects/p-1/global/images/ours, identity: hpc@p-1.iam.gserviceaccount.com, filesystems:"
    f" {{/a: {{type: managed-nfs, id: projects/p-1/locations/{ZONE}/instances/a}}, /b: {{type: bucket, id: b}},"
    " /c: {type: lustre, id: c}}"
)


def test_all_checks_overlap(fine: Google, session: Session) -> None:
    """Nothing is answered before everything that is asked first has been asked: one after the other they would never end."""
    subnet(fine, privateIpGoogleAccess=True)
    family(fine, "CPUS-PER-VM-FAMILY-per-project-region")
    fine.put(f"{COMPUTE}/global/images/ours")
    fine.put(f"{BUCKETS}/b")
    asked: set[str] = set()
    waited: list[bool] = []
    together = threading.Condition()

    def gate(method: str) -> None:
        with together:
            asked.add(method)
            together.notify_all()
            waited.append(False not in waited and together.wait_for(lambda: FIRST.keys() <= asked, timeout=60))

    fine.gate = gate
    said = PLACE.preflight(session, design(ALL, "gcp"))
    assert all(waited), f"waited in vain for {FIRST.keys() - asked}"
    assert [finding.code for finding in said] == ["api-off", "filesystem", "filesystem"]
    assert FIRST.keys() <= set(fine.calls)


@pytest.mark.parametrize("name", sorted(set(FIRST.values())))
def test_what_is_left_out_asks_nothing(fine: Google, session: Session, name: str) -> None:
    subnet(fine)
    PLACE.preflight(session, design(ALL, "gcp"), skip={name})
    assert {FIRST[method] for method in fine.calls if method in FIRST} == set(FIRST.values()) - {name}


def test_all_left_out(fine: Google, session: Session) -> None:
    assert PLACE.preflight(session, design(ALL, "gcp"), skip={name for name, _ in checks.CHECKS}) == ()
    assert fine.calls == []

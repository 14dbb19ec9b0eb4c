"""The table of prices: whole, dated, and of the same tiers as the programs make."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import provisioner
from provisioner.catalog.filesystems import SERVICES
from provisioner.catalog.prices import BASES, price, prices
from provisioner.design.bill import _DISKS

STACKS = Path(provisioner.__path__[0]).parent / "stacks"
UNITS = {"hour", "GiB-month", "disk-month", "GiB", "action"}


def constant(file: str, name: str) -> object:
    """What a program's module says at its top."""
    for node in ast.parse((STACKS / file).read_text()).body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        if any(isinstance(target, ast.Name) and target.id == name for target in targets):
            assert isinstance(node, ast.Assign)
            return ast.literal_eval(node.value)
    raise KeyError(name)


def test_every_row_is_whole() -> None:
    assert len({(row.cloud, row.region, row.item, row.size) for row in prices()}) == len(prices())
    for row in prices():
        assert row.cloud in ("aws", "gcp", "azure")
        assert row.unit in UNITS
        assert (row.usd is None) == (row.item == "machine")
        assert row.usd is None or row.usd > 0
        assert row.step >= 1
        assert row.minimum >= 0
        assert row.basis in BASES
        assert row.as_of
        assert len(row.source) > 10


def test_a_price_that_nobody_found_says_so() -> None:
    for row in prices():
        assert ("not found" in row.source) == (row.basis == "estimate"), row.item


@pytest.mark.parametrize(("gib", "billed", "usd"), [(1, 32, 5.28), (32, 32, 5.28), (33, 64, 10.21), (1024, 1024, 135.17)])
def test_a_disk_is_billed_as_the_next_larger_size(gib: int, billed: int, usd: float) -> None:
    found = price("azure", "eastus", "premium-ssd", gib)
    assert (found.size, found.usd) == (billed, usd)


def test_what_nobody_has_a_price_of_is_no_price() -> None:
    with pytest.raises(KeyError):
        price("azure", None, "premium-ssd", 40_000)
    with pytest.raises(KeyError):
        price("local", None, "gp3")


def test_lustre_has_the_tiers_that_the_programs_choose() -> None:
    google = constant("gcp/storage.py", "LUSTRE_STEPS")
    assert isinstance(google, dict)
    assert SERVICES["gcp", "lustre"].tiers == tuple((f"lustre-{speed}", step) for speed, step in google.items())
    azure = constant("azure/storage.py", "_SKUS")
    assert isinstance(azure, tuple)
    assert SERVICES["azure", "lustre"].tiers == tuple((f"lustre-{sku}", step * 1024) for step, sku in azure)


@pytest.mark.parametrize(
    ("cloud", "gib", "item"),
    [
        ("gcp", 9_000, "lustre-1000"),
        ("gcp", 36_000, "lustre-250"),
        ("gcp", 72_000, "lustre-125"),
        ("azure", 4_096, "lustre-500"),
        ("azure", 49_152, "lustre-40"),
        ("azure", 20_480, "lustre-500"),
        ("aws", 1_200, "fsx-lustre"),
    ],
)
def test_the_slowest_tier_with_the_size_is_billed(cloud: str, gib: int, item: str) -> None:
    assert SERVICES[cloud, "lustre"].item(gib) == item
    assert price(cloud, None, item).hourly(gib) > 0


def test_disks_are_those_of_the_programs() -> None:
    """Their type and least size, as the bill has them (design/bill.py)."""
    assert constant("aws/groups.py", "_DISK_GIB") == 32
    assert '"storageAccountType": "StandardSSD_LRS"' in (STACKS / "azure/groups.py").read_text()
    assert "StorageAccountTypes.PREMIUM_LRS" in (STACKS / "azure/head.py").read_text()
    # Google's are of design/gcp_disk.py, which its program and the bill both have.
    assert _DISKS == {"aws": ("gp3", 32, 75), "gcp": ("", 30, 100), "azure": ("standard-ssd", 32, 64)}

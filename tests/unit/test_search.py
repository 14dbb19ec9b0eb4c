"""`burst catalog`: what is listed, what is found, what is said where nothing is, and what a refresh tells."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from making import Still, catalogue, instance

from provisioner import clock
from provisioner.catalog import cache
from provisioner.catalog.markets import has_spot
from provisioner.catalog.rows import Offer
from provisioner.catalog.search import Wanted, nearest, search, unknown_model
from provisioner.catalog.table import bundled
from provisioner.cli.catalog import command
from provisioner.errors import BurstError, Invalid, Refused
from provisioner.targets import pricing
from provisioner.targets.pricing import Answer


@pytest.fixture(autouse=True)
def _now(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The 15th of January 2027, and a catalogue that is read anew."""
    cache.known.cache_clear()
    with clock.use(Still(1_800_000_000.0)):
        yield
    cache.known.cache_clear()


def called(*argv: str) -> Result:
    return CliRunner().invoke(command, argv)


def told(*argv: str) -> str:
    result = called(*argv)
    assert result.exception is None, result.exception
    return result.output


def wrong(*argv: str) -> BurstError:
    result = called(*argv)
    assert isinstance(result.exception, BurstError), result.output
    assert result.exception.fix
    return result.exception


# --- what fits --------------------------------------------------------------------------------------------------------------


@given(
    cores=st.integers(1, 400),
    memory=st.integers(1, 3000),
    gpus=st.integers(0, 8),
    models=st.lists(st.sampled_from(bundled().models), max_size=2, unique=True),
    fabric=st.booleans(),
    spot=st.booleans(),
    cloud=st.sampled_from([None, "aws", "gcp", "azure"]),
)
def test_search_finds_all_that_fit_by_price(
    cores: int, memory: int, gpus: int, models: list[str], fabric: bool, spot: bool, cloud: str | None
) -> None:
    places = ((cloud, None),) if cloud else ()
    wanted = Wanted(cores, memory * 1024, gpus, tuple(models), fabric, spot, places=places)
    found = search(bundled(), wanted)
    assert {(kind.name, kind.region) for kind in found} == {
        (kind.name, kind.region)
        for kind in bundled().types
        if kind.cores >= cores
        and kind.memory_mib >= memory * 1024
        and (kind.gpus >= max(1, gpus) if gpus or models else kind.gpus == 0)
        and (kind.gpu in models or not models)
        and (kind.fabric or not fabric)
        and (has_spot(kind.cloud, kind.name) or not spot)
        and kind.arch == "x86_64"
        and kind.cloud in (cloud, kind.cloud if cloud is None else cloud)
    }
    prices = [kind.price(spot=spot) for kind in found]
    assert prices == sorted(prices)
    if not found:
        near = nearest(bundled(), wanted)
        assert near is None or near[1], "what is nearest lacks something"


def test_the_nearest_lacks_the_fewest_things_and_the_least_of_them() -> None:
    known = catalogue(
        instance("small", cores=8, memory_mib=64 * 1024, on_demand=1.0),
        instance("large", cores=90, memory_mib=512 * 1024, on_demand=9.0),
        instance("lean", cores=95, memory_mib=64 * 1024, on_demand=8.0),
    )
    near = nearest(known, Wanted(cores=96, memory_mib=300 * 1024))
    assert near is not None
    assert (near[0].name, near[1]) == ("large", "it has 90 cores")


def test_a_model_is_not_bargained_over() -> None:
    known = catalogue(
        instance("l4", gpus=1, gpu="L4", on_demand=1.0),
        instance("h100", gpus=8, gpu="H100", on_demand=50.0),
    )
    near = nearest(known, Wanted(gpus=2, models=("l4",)))
    assert near is not None
    assert (near[0].name, near[1]) == ("l4", "it has 1 GPUs")


@pytest.mark.parametrize(
    ("model", "meant"), [("L5", "L4"), ("a100", None), ("H10", "H100"), ("RTX6000", "RTX PRO 6000"), ("qqqq", "")]
)
def test_which_model_was_meant(model: str, meant: str | None) -> None:
    assert unknown_model(bundled(), ("l4", model)) == (None if meant is None else (model, meant))


# --- the command ------------------------------------------------------------------------------------------------------------


def test_called_bare_it_lists_each_type_once() -> None:
    rows = json.loads(told("-o", "json"))
    assert len({row["name"] for row in rows}) == len(rows) > 200
    assert {row["cloud"] for row in json.loads(told("--cloud", "gcp", "-o", "json"))} == {"gcp"}
    assert "hpc7a.96xlarge" in told()
    assert len(json.loads(told("--all-regions", "-o", "json"))) == len(bundled().types)


def test_a_table_of_candidates() -> None:
    lines = told("search", "--cores", "96", "--memory", "300", "--target", "aws/us-east-2", "--limit", "3").splitlines()
    assert lines[0].split("  ")[0] == "cloud"
    for title in ("fabric", "Gbit/s", "USD/h", "spot USD/h", "USD/core-h", "USD/GPU-h", "as of"):
        assert title in lines[0]
    first = lines[1].split()
    assert first[:3] == ["aws", "us-east-2", "hpc6a.48xlarge"]
    assert "0.0300" in first, "2.88 USD for 96 cores"
    assert lines[-2].startswith("and ")
    assert "burst catalog refresh" in lines[-1]
    assert "days ago)" in lines[-1]


def test_by_gpu_in_several_places() -> None:
    argv = ["search", "--gpu", "l4", "--gpu", "T4", "--gpus", "4", "-t", "aws/us-west-2,azure/eastus", "-t", "gcp", "-o", "json"]
    rows = json.loads(told(*argv))
    assert {row["gpu"] for row in rows} == {"L4", "T4"}
    assert {(row["cloud"], row["region"]) for row in rows} >= {("aws", "us-west-2"), ("azure", "eastus"), ("gcp", "us-central1")}
    for row in rows:
        assert row["usd_per_gpu_hour"] == pytest.approx(row["on_demand"] / row["gpus"])
        assert row["usd_per_core_hour"] == pytest.approx(row["on_demand"] / row["cores"])
        assert row["age_days"] > 0
        assert row["source"]


def test_spot_is_by_the_price_there() -> None:
    rows = json.loads(told("search", "--spot", "--cores", "88", "-t", "gcp/us-central1", "-o", "json"))
    assert "h3-standard-88" not in {row["name"] for row in rows}
    assert rows[0]["usd_per_core_hour"] == pytest.approx(rows[0]["spot"] / rows[0]["cores"])


def test_another_regions_price_is_marked() -> None:
    text = told("search", "--cores", "96", "-t", "azure/mars1", "--limit", "1")
    assert " ~" in text.splitlines()[1]
    assert "~ is another region's price" in text


def test_an_unknown_model() -> None:
    problem = wrong("search", "--gpu", "L5")
    assert (type(problem), problem.message, problem.why) == (Invalid, "no type has a GPU 'L5'", "did you mean L4?")


def test_nothing_fits() -> None:
    problem = wrong("search", "--cores", "500", "-t", "azure/eastus")
    assert problem.why == "the nearest is Standard_HB368rs_v5 in azure/eastus: it has 368 cores"


@pytest.mark.parametrize(
    "argv", [["--memory", "lots"], ["--memory", "300XB"], ["-t", "local"], ["-t", "aws,gpc"], ["-t", "aws/"]]
)
def test_what_is_no_question(argv: list[str]) -> None:
    assert isinstance(wrong("search", *argv), Invalid)


@pytest.mark.parametrize("memory", ["300", "300GiB", "307200MiB"])
def test_memory_is_gib_where_no_unit_stands(memory: str) -> None:
    rows = json.loads(told("search", "--memory", memory, "--limit", "5", "-o", "json"))
    assert min(row["memory_mib"] for row in rows) >= 300 * 1024


def test_a_broken_cache_is_said_and_the_rest_listed() -> None:
    cache.folder().mkdir(parents=True)
    (cache.folder() / "aws-us-east-2.prices.csv").write_text("half a li")
    result = called("search", "--cores", "96")
    assert result.exception is None
    assert "aws-us-east-2.prices.csv cannot be used" in result.stderr
    assert "hpc6a.48xlarge" in result.stdout


# --- refresh ----------------------------------------------------------------------------------------------------------------


class Told:
    """A cloud that answers, or refuses."""

    def __init__(self, answer: Answer | Refused) -> None:
        self._answer = answer

    def places(self) -> tuple[str, ...]:
        return ("us-east-2",)

    def prices(self, region: str) -> Answer:
        if isinstance(self._answer, Refused):
            raise self._answer
        return self._answer


ONE = Answer([Offer("aws", "us-east-2", "c7i.48xlarge", 8.0, 2.0, "2027-01-15", "a test")])
NONE = Refused("AWS does not know who asks", why="ExpiredToken", fix="aws sso login")


def test_what_was_refreshed_is_told_and_then_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("provisioner.lifecycle.refresh.pricing", lambda cloud: Told(ONE if cloud == "aws" else NONE))
    result = called("refresh", "-t", "aws", "-t", "gcp/us-central1")
    assert result.exception is None
    assert result.stdout.splitlines() == ["aws/us-east-2: 1 price of today"]
    assert result.stderr.splitlines()[1:] == ["  why: AWS does not know who asks: ExpiredToken", "  next: aws sso login"]
    assert result.stderr.startswith(
        "gcp/us-central1: not refreshed, prices of 2026-08-03 to 2026-11-23 stay in use, the oldest 165 "
    )
    rows = json.loads(told("search", "--cores", "96", "-t", "aws/us-east-2", "--limit", "100", "-o", "json"))
    assert [(row["basis"], row["age_days"]) for row in rows if row["name"] == "c7i.48xlarge"] == [("live", 0)]


def test_where_none_came_the_exit_status_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("provisioner.lifecycle.refresh.pricing", lambda cloud: Told(NONE))
    problem = wrong("refresh", "-t", "aws")
    assert (type(problem), int(problem.exit_code)) == (Refused, 3)
    result = called("refresh", "-t", "aws", "-o", "json")
    assert result.exit_code == 3
    assert json.loads(result.stdout)[0]["problem"]["message"] == NONE.message


def test_prices_that_cannot_be_kept_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache that is no folder: as one that nobody may write to, or a full disk."""
    cache.folder().parent.mkdir(parents=True)
    cache.folder().write_text("")
    monkeypatch.setattr("provisioner.lifecycle.refresh.pricing", lambda cloud: Told(ONE))
    problem = wrong("refresh", "-t", "aws")
    assert (type(problem), int(problem.exit_code)) == (Refused, 3)
    assert f"prices cannot be kept in {cache.folder()}" in problem.why


def test_every_cloud_keeps_the_contract() -> None:
    for cloud in pricing.PRICING:
        assert callable(pricing.pricing(cloud).places)
        assert callable(pricing.pricing(cloud).prices)

"""What is sold where and for how much: choices against brute force, regions of which little is known, what was refreshed."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from making import RUN, Still, catalogue, instance, spec, write

from provisioner import clock
from provisioner.catalog import cache, rows
from provisioner.catalog.markets import has_spot
from provisioner.catalog.regions import REGIONS
from provisioner.catalog.rows import Offer
from provisioner.catalog.table import BASES, InstanceType, bundle, bundled
from provisioner.design.decide import decide
from provisioner.lifecycle.prepare import decided
from provisioner.spec.model import parse_target

PLACES = [(cloud, region) for cloud in REGIONS for region in bundled().regions(cloud)]


def test_the_bundled_tables_are_sane() -> None:
    shapes, offers = bundle()
    names = [shape.name for shape in shapes]
    assert len(set(names)) == len(names) > 200
    for shape in shapes:
        assert shape.vcpus == shape.cores * shape.threads
        assert shape.memory_mib >= 1024
        assert bool(shape.gpus) == bool(shape.gpu) == (shape.gpu_memory is not None)
        assert bool(shape.fabric) == bool(shape.cards)
        assert shape.arch in ("x86_64", "arm64")
    assert len({(offer.region, offer.name) for offer in offers}) == len(offers)
    for offer in offers:
        assert offer.on_demand is not None
        assert 0 < (offer.spot or offer.on_demand) <= offer.on_demand
        assert offer.name in names
    assert {offer.name for offer in offers} == set(names), "what has no price anywhere is of no use"


def test_every_figure_has_a_day_and_a_source_in_words() -> None:
    for row in (*bundle()[0], *bundle()[1]):
        assert date(2024, 1, 1) <= date.fromisoformat(row.as_of)
        assert rows.said(row.source) != row.source, f"sources.csv lacks {row.source}"


def test_each_cloud_has_many_regions_and_its_default_one_among_them() -> None:
    for cloud, default in REGIONS.items():
        assert default in bundled().regions(cloud)
        assert len(bundled().regions(cloud)) >= 8


def test_physical_cores_where_a_vendor_sells_whole_ones() -> None:
    """hpc7a, HB and H4D have one thread a core, as their pages say; a c7i's vCPU is half of one."""
    known = {shape.name: (shape.vcpus, shape.cores) for shape in bundle()[0]}
    assert known["hpc7a.96xlarge"] == (192, 192)
    assert known["Standard_HB176rs_v4"] == (176, 176)
    assert known["h4d-standard-192"] == (192, 192)
    assert known["m7a.large"] == (2, 2)
    assert known["c7i.48xlarge"] == (192, 96)
    assert known["c3-standard-176"] == (176, 88)
    assert known["Standard_D96s_v5"] == (96, 48)


def dearness(kind: InstanceType, spot: bool) -> float:
    asked = kind.spot if spot and kind.spot is not None else kind.on_demand
    assert asked is not None
    return asked


@given(
    place=st.sampled_from(PLACES),
    cores=st.integers(1, 200),
    memory=st.integers(1, 2048),
    gpus=st.sampled_from([0, 0, 0, 1, 2, 4, 8]),
    models=st.lists(st.sampled_from([*bundled().models, "l4", "nobody's"]), max_size=3, unique=True),
    spot=st.booleans(),
)
def test_what_fits_is_the_least_of_brute_force(
    place: tuple[str, str], cores: int, memory: int, gpus: int, models: list[str], spot: bool
) -> None:
    cloud, region = place
    fitting = [
        kind
        for kind in bundled().types
        if (kind.cloud, kind.region) == place
        and kind.cores >= cores
        and kind.memory_mib >= memory * 1024
        and (kind.gpus >= gpus if gpus else kind.gpus == 0)
        and kind.arch == "x86_64"
        and (has_spot(cloud, kind.name) or not spot)
    ]
    for model in models or [None]:
        of = [kind for kind in fitting if model is None or kind.gpu.lower() == model.lower()]
        if of:
            break
    found = bundled().fits(cloud, region, cores=cores, memory_mib=memory * 1024, gpus=gpus, models=tuple(models), spot=spot)
    best = min(of, key=lambda kind: (dearness(kind, spot), kind.name), default=None)
    assert (found and found.name) == (best and best.name)


ONE = instance("one", region="us-east-2", on_demand=1.0, spot=0.9)
HERE = catalogue(
    ONE,
    instance("one", region="eu-west-1", on_demand=1.2),
    instance("two", region="us-east-2", on_demand=2.0, spot=0.4),
    instance("two", region="eu-west-1", on_demand=2.4, spot=0.5),
    instance("far", region="us-east-2", on_demand=0.1),
    instance("third", region="us-west-2", on_demand=5.0),
    instance("third", region="us-west-1", on_demand=6.0),
)


def test_a_region_sells_what_has_a_price_there() -> None:
    assert [kind.name for kind in HERE.sold("aws", "eu-west-1")] == ["one", "two"]
    found = HERE.fits("aws", "eu-west-1", cores=1, memory_mib=1024, gpus=0, models=())
    assert found is not None
    assert (found.name, found.on_demand, found.basis, found.priced_in) == ("one", 1.2, "catalogue", "eu-west-1")


def test_a_region_of_which_nothing_is_known_is_priced_as_the_default_one() -> None:
    found = HERE.fits("aws", "ap-south-2", cores=1, memory_mib=1024, gpus=0, models=())
    assert found is not None
    assert (found.name, found.region, found.basis, found.priced_in) == ("far", "ap-south-2", "elsewhere", "us-east-2")


@pytest.mark.parametrize(
    ("name", "region", "price", "basis", "priced_in"),
    [
        ("one", None, 1.0, "catalogue", "us-east-2"),
        ("one", "eu-west-1", 1.2, "catalogue", "eu-west-1"),
        ("far", "eu-west-1", 0.1, "guess", "us-east-2"),
        ("far", "mars-1", 0.1, "elsewhere", "us-east-2"),
        ("third", "eu-west-1", 6.0, "guess", "us-west-1"),
    ],
)
def test_a_type_by_name(name: str, region: str | None, price: float, basis: str, priced_in: str) -> None:
    found = HERE.named(name, region)
    assert found is not None
    assert (found.on_demand, found.basis, found.priced_in) == (price, basis, priced_in)
    assert found.basis in BASES


def test_spot_goes_by_the_price_on_the_spot_market() -> None:
    by = [HERE.fits("aws", "eu-west-1", cores=2, memory_mib=1024, gpus=0, models=(), spot=spot) for spot in (False, True)]
    assert [kind and kind.name for kind in by] == ["one", "two"]


def test_a_design_says_what_it_does_not_know_of_its_prices() -> None:
    text = "{version: 1, name: a, groups: {a: {instance: %s, nodes: 1}}}"

    def said(name: str, target: str) -> list[str]:
        return [f.message for f in decide(spec(text % name), HERE, RUN, parse_target(target))[1] if f.code == "price"]

    assert said("one", "aws/eu-west-1") == []
    assert said("far", "aws/eu-west-1") == ["groups.a: far may not be sold in aws/eu-west-1; its price is that of us-east-2"]
    assert said("one", "aws/mars-1") == [
        "no price of aws/mars-1 is known: machines are priced as in us-east-2, and may not be sold there"
    ]
    assert said("far", "local") == [], "nothing is paid for here"


# --- what was refreshed ---------------------------------------------------------------------------------------------------


def row(name: str, usd: float, as_of: str, region: str = "us-east-2") -> Offer:
    return Offer("aws", region, name, usd, None, as_of, "a test")


def test_what_was_refreshed_goes_over_the_bundle_where_it_is_younger() -> None:
    old = bundled().named("c7i.48xlarge")
    assert old is not None
    cache.keep("aws", "us-east-2", [row("c7i.48xlarge", 7.5, "2031-01-01"), row("c7a.48xlarge", 7.5, "2020-01-01")])
    cache.keep("aws", "mars-1", [row("c7i.48xlarge", 99.0, "2031-01-01", "mars-1")])
    found = cache.read(cache.folder())
    assert found.problems == ()
    prices = {name: found.named(name) for name in ("c7i.48xlarge", "c7a.48xlarge", "m7i.48xlarge")}
    assert [(kind.on_demand, kind.basis) for kind in prices.values() if kind] == [
        (7.5, "live"),
        (9.85344, "catalogue"),
        (9.6768, "catalogue"),
    ]
    assert [(kind.name, kind.on_demand, kind.basis) for kind in found.sold("aws", "mars-1")] == [("c7i.48xlarge", 99.0, "live")]


def test_a_type_that_the_bundle_lacks_enters_with_its_shape() -> None:
    like = bundle()[0][0]
    cache.keep("aws", "us-east-2", [row("c99.large", 0.01, "2031-01-01")], [like._replace(name="c99.large", memory_mib=4096 * 3)])
    found = cache.read(cache.folder()).named("c99.large")
    assert found is not None
    assert (found.on_demand, found.cores, found.memory_mib) == (0.01, like.cores, 4096 * 3)


def test_shapes_and_prices_read_back_as_they_were_written(folder: Path) -> None:
    shapes, offers = bundle()
    cache.keep("aws", "x-1", offers, shapes)
    text = (cache.folder() / "aws-x-1.prices.csv").read_text()
    assert tuple(cache._table(text, rows.offers)) == offers
    assert tuple(cache._table((cache.folder() / "aws-x-1.types.csv").read_text(), rows.shapes)) == shapes


def damaged() -> list[tuple[str, str]]:
    whole = f"{rows.OFFER_COLUMNS}\naws,us-east-2,c7i.48xlarge,7.5,,2031-01-01,a test\n# 1 rows\n"
    ways = {
        "empty": "",
        "cut in a row": whole[:-30],
        "cut between rows": whole.replace("# 1 rows\n", ""),
        "cut in the last line": whole[:-1],
        "a row is missing": whole.replace("# 1", "# 2"),
        "other columns": whole.replace("region", "place"),
        "no number": whole.replace("7.5", "cheap"),
        "not a number": whole.replace("7.5", "nan"),
        "less than nothing": whole.replace("7.5", "-7.5"),
        "no day": whole.replace("2031-01-01", "soon"),
        "a column short": whole.replace(",,", ","),
        "a lone quote": whole.replace("a test", '"a'),
    }
    return list(ways.items())


@pytest.mark.parametrize("way", [name for name, _ in damaged()])
def test_a_broken_table_is_left_aside_and_said(way: str) -> None:
    cache.keep("aws", "us-west-2", [row("c7i.48xlarge", 7.0, "2031-01-01", "us-west-2")])
    broken = cache.folder() / "aws-us-east-2.prices.csv"
    broken.write_text(dict(damaged())[way])
    found = cache.read(cache.folder())
    assert [problem.partition(" cannot be used: ")[0] for problem in found.problems] == [str(broken)]
    here, there = found.named("c7i.48xlarge", "us-east-2"), found.named("c7i.48xlarge", "us-west-2")
    assert here is not None
    assert there is not None
    assert (here.basis, there.basis) == ("catalogue", "live"), "the others still count"
    text = "{version: 1, name: a, groups: {a: {instance: c7i.48xlarge, nodes: 1}}}"
    said = [f for f in decide(spec(text), found, RUN, parse_target("aws"))[1] if f.code == "catalogue"]
    assert [(f.level.value, f.fix) for f in said] == [("warning", "burst catalog refresh writes it anew")]


SHAPE = "aws,zz.large,2,1,2,4,0,,,x86_64,,,,0,2031-01-01,a test"


@pytest.mark.parametrize(
    ("whole", "wrong"),
    [
        ("4,0,,", "inf,0,,"),
        ("4,0,,", ",0,,"),
        ("4,0,,", "1e999,0,,"),
        ("2,1,2", "2,0,2"),
        ("2,1,2", "-2,1,2"),
        ("4,0,,", "4,-1,,"),
    ],
)
def test_a_shape_that_no_machine_has_is_left_aside_and_said(whole: str, wrong: str) -> None:
    """Infinite memory would end every plan, a machine without cores every list by the core."""
    cache.folder().mkdir(parents=True)
    table = cache.folder() / "aws-us-east-2.types.csv"
    table.write_text(f"{rows.SHAPE_COLUMNS}\n{SHAPE}\n# 1 rows\n")
    assert cache.read(cache.folder()).problems == ()
    table.write_text(table.read_text().replace(whole, wrong))
    assert len(cache.read(cache.folder()).problems) == 1


def test_a_table_that_is_not_text_is_left_aside() -> None:
    cache.folder().mkdir(parents=True)
    (cache.folder() / "aws-us-east-2.prices.csv").write_bytes(b"\xff\xfe\x00")
    assert len(cache.read(cache.folder()).problems) == 1


def test_ages() -> None:
    day = 86400.0
    noon = date(2026, 11, 25).toordinal() - date(1970, 1, 1).toordinal()
    assert cache.days("2026-11-25", noon * day + 43200) == 0
    assert cache.days("2026-10-26", noon * day) == 30
    assert cache.days("2026-12-01", noon * day) == 0


def test_what_was_refreshed_long_ago_is_said_in_a_plan(folder: Path) -> None:
    noon = 1_800_000_000.0
    file = write(folder, "{version: 1, name: a, groups: {a: {instance: c7i.48xlarge, nodes: 1}}, head: {instance: c7i.48xlarge}}")

    def said(target: str, days: int) -> list[tuple[str, str, str]]:
        with clock.use(Still(noon)):
            day = clock.utc(noon - days * 86400)[:10]
            cache.keep("aws", "us-west-2", [row("c7i.48xlarge", 8.0, day, "us-west-2")])
            cache.known.cache_clear()
            return [(f.level.value, f.message, f.fix) for f in decided(file, target)[2] if f.code == "price-age"]

    try:
        assert said("aws/us-west-2", 30) == []
        fix = "burst catalog refresh --target aws/us-west-2"
        assert said("aws/us-west-2", 31) == [("info", "prices of aws/us-west-2 were refreshed 31 days ago, on 2026-12-15", fix)]
        assert said("local", 31) == []
    finally:
        cache.known.cache_clear()

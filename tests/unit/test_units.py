"""Units as a person writes them, and back."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner import units


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1B", 1),
        ("50GiB", 50 * 2**30),
        ("192 GiB", 192 * 2**30),
        ("1.5KiB", 1536),
        ("500MB", 500_000_000),
        ("  2TB  ", 2 * 10**12),
        ("1048576TiB", 2**60),
    ],
)
def test_a_size_is_bytes(text: str, size: int) -> None:
    assert units.parse_size(text) == size


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("50gib", "did you mean 50GiB?"),
        ("50gb", "did you mean 50GB?"),
        ("50G", "did you mean 50GiB?"),
        ("512m", "did you mean 512MiB?"),
        ("5 parsec", "use KiB, MiB, GiB or TiB"),
        ("50", "write a number and a unit"),
        ("GiB", "write a number and a unit"),
        ("-5GiB", "write a number and a unit"),
        ("1,5GiB", "write a number and a unit"),
        ("1e3GiB", "write a number and a unit"),
        ("٣GiB", "write a number and a unit"),
        ("", "write a number and a unit"),
        ("0GiB", "not between one byte and an exbibyte"),
        ("0.5B", "not between one byte and an exbibyte"),
        ("1048577TiB", "not between one byte and an exbibyte"),
        ("9" * 5000 + "GiB", "not between one byte and an exbibyte"),
    ],
)
def test_what_is_no_size_is_told_how_to_be_one(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said.replace("?", r"\?")):
        units.parse_size(text)


@given(st.integers(1, 2**60))
def test_a_size_in_bytes_comes_back_as_it_was(size: int) -> None:
    assert units.parse_size(f"{size}B") == size


@given(st.integers(1, 999), st.sampled_from(["B", "KiB", "MiB", "GiB", "TiB"]))
def test_what_is_shown_can_be_read_again(number: int, unit: str) -> None:
    size = units.parse_size(f"{number}{unit}")
    assert units.show_size(size) == f"{number}{unit}"


@given(st.integers(1, 2**60))
def test_a_shown_size_is_off_by_a_twentieth_of_its_unit_at_most(size: int) -> None:
    shown = units.show_size(size)
    unit = shown.lstrip("0123456789.")
    assert abs(units.parse_size(shown) - size) <= units.parse_size(f"1{unit}") / 20 + 1


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("10m", 600),
        ("1h30m", 5400),
        ("1d12h", 129_600),
        ("365d", units.LONGEST),
        ("02:00:00", 7200),
        ("2-00:00:00", 172_800),
        ("120:00:01", 432_001),
    ],
)
def test_a_time_is_seconds(text: str, seconds: int) -> None:
    assert units.parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "2",
        "2 hours",
        "2h ago",
        "30m2h",
        "1.5h",
        "2:00",
        "00:60:00",
        "-1h",
        "٢h",
        "0s",
        "00:00:00",
        "366d",
        "9" * 5000 + "s",
    ],
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not"):
        units.parse_duration(text)


@given(st.integers(1, units.LONGEST))
def test_a_shown_time_can_be_read_again(seconds: int) -> None:
    assert units.parse_duration(units.show_duration(seconds)) == seconds


@given(st.integers(0, 364), st.integers(0, 23), st.integers(0, 59), st.integers(1, 59))
def test_slurms_own_form_means_the_same(days: int, hours: int, minutes: int, seconds: int) -> None:
    slurms = f"{days}-{hours:02d}:{minutes:02d}:{seconds:02d}"
    assert units.parse_duration(slurms) == units.parse_duration(f"{days}d{hours}h{minutes}m{seconds}s")


def test_less_than_a_minute_is_shown_with_its_fraction() -> None:
    assert [units.show_duration(s) for s in (0.42, 0.4, 0, 59.994)] == ["0.42s", "0.4s", "0s", "59.99s"]


@given(st.integers(1, units.LONGEST))
def test_slurms_minutes_are_never_fewer_than_asked(seconds: int) -> None:
    minutes = int(units.slurm_time(seconds))
    assert minutes * 60 >= seconds > (minutes - 1) * 60


def test_money() -> None:
    assert units.parse_money("25 USD") == 25
    assert units.parse_money(" 0.05USD ") == Decimal("0.05")


@pytest.mark.parametrize("text", ["25", "25 EUR", "$25", "25.123 USD", "-1 USD", "USD", "1e3 USD", "9" * 400 + " USD", ""])
def test_what_is_no_amount_is_told_how_to_be_one(text: str) -> None:
    with pytest.raises(ValueError, match="write it as 25 USD"):
        units.parse_money(text)

"""Whatever stands in a file: `check` answers, `load` raises nothing but FileRefused, and what is right stays right."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from making import RIGHT
from ruamel.yaml import YAML

from provisioner.findings import Finding
from provisioner.spec.load import FileRefused, check, load
from provisioner.spec.model import Filesystem, Group, Head, Job, Limits, Needs, Output, Software, Spec

MODELS = (Spec, Head, Group, Needs, Filesystem, Software, Job, Output, Limits)
FIELDS = sorted({name for model in MODELS for name in model.model_fields} | {"min", "max", "cpu", "/shared", "<<"})
WORDS = [
    "", "local", "aws/us-east-2", "cpu", "50GiB", "2h", "25 USD", "0-99%4", "../a", "/a", "~", "**", "[", "*", "a\0b", "\ud800",
    "x" * 400, "nfs", "lustre", "never", "only", "auto", "NaN", "1e999", "é", "\x85", "# <<<", "!!set", "&a", "*a",
]  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("any") / "burst.yaml"


def told(found: tuple[Finding, ...], path: Path) -> None:
    """Every finding says where, and can be printed."""
    for finding in found:
        finding.model_dump_json()
        assert (finding.file, finding.line is not None) == (str(path), True), finding
        assert 1 <= (finding.line or 0) <= path.read_bytes().count(b"\n") + path.read_bytes().count(b"\r") + 3


@given(st.binary(max_size=300))
@example(b"\xff\xfe")
@example(b"a: &a\n  <<: *a\n")
@example(b'"\\UFFFFFFFF"')
@example(b"%YAML 1.3\n---\n")
def test_any_bytes(place: Path, content: bytes) -> None:
    place.write_bytes(content)
    spec, _, found = check(place)
    assert spec is not None or found
    told(found, place)


PIECES = [
    "- ",
    ": ",
    "\n",
    "  ",
    "{",
    "}",
    "[",
    "]",
    "&a ",
    "*a",
    "<<: ",
    "!",
    "!!int ",
    "? ",
    "|",
    ">-",
    "'",
    '"',
    "#",
    "---\n",
    "%",
    "\t",
    "0x",
    "\\u",
]


@given(st.lists(st.sampled_from([*PIECES, *FIELDS, *(w for w in WORDS if w.isprintable())]) | st.text(max_size=4), max_size=40))
def test_any_text_that_looks_like_a_file(place: Path, pieces: list[str]) -> None:
    place.write_bytes((RIGHT + "".join(pieces)).encode(errors="surrogatepass"))
    spec, _, found = check(place)
    assert spec is not None or found
    told(found, place)


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(WORDS) | st.text(max_size=8)
DATA = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=6), inner, max_size=6)
        | st.dictionaries(SCALARS.filter(lambda key: not isinstance(key, float) or not math.isnan(key)), inner, max_size=3)
    ),
    max_leaves=25,
)


def dumped(data: Any) -> bytes:
    stream = io.BytesIO()
    YAML(typ="safe", pure=True).dump(data, stream)
    return stream.getvalue()


@given(DATA)
def test_any_data(place: Path, data: Any) -> None:
    try:
        place.write_bytes(dumped(data))
    except UnicodeEncodeError:
        return
    refused: FileRefused | None = None
    try:
        found = load(place).findings
    except FileRefused as problem:
        refused, found = problem, problem.findings
    told(found, place)
    assert bool(refused) == any(finding.level.value == "error" for finding in found)


def _either(model: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """A mapping with some of the model's fields, most of them right."""
    return st.fixed_dictionaries({}, optional={key: strategy | DATA for key, strategy in model.items()})


NEARLY = st.fixed_dictionaries(
    {"version": st.just(1) | SCALARS, "name": st.just("a") | SCALARS},
    optional={
        "target": st.sampled_from(["local", "aws/us-east-2", ["local", "gcp"]]) | DATA,
        "groups": st.dictionaries(
            st.sampled_from(["cpu", "gpu", "Head"]) | st.text(max_size=3),
            _either({"nodes": st.integers(-1, 9), "needs": _either({"cores": st.integers(0, 99), "gpu": st.just(["L4"])})}),
            max_size=3,
        ),
        "jobs": st.dictionaries(
            st.sampled_from(["melt", "plot", "x y"]),
            _either(
                {
                    "command": st.just("ls"),
                    "needs": st.just(["melt", "plt"]),
                    "group": st.just("cpu"),
                    "inputs": st.just(["*", "../a"]),
                }
            ),
            max_size=3,
        ),
        "limits": _either({"ttl": st.just("2h"), "cost": st.just("5 USD")}),
    },
)


@given(NEARLY)
def test_data_that_are_nearly_right(place: Path, data: Any) -> None:
    try:
        place.write_bytes(dumped(data))
    except UnicodeEncodeError:
        return
    spec, _, found = check(place)
    assert spec is not None or found
    told(found, place)
    ours = [(f.code, f.message, f.line) for f in found if f.code != "yaml"]
    assert len(set(ours)) == len(ours), "the same thing is told once"

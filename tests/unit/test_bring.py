"""Results out of a bucket: checked, resumed, moved into place; and where they may be."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from making import RIGHT, found_in, spec
from test_detached import RECEIPT

from provisioner.alone import store
from provisioner.errors import Invalid, Refused
from provisioner.events import Event, Events
from provisioner.lifecycle.away import bring
from provisioner.lifecycle.away.results import wanted
from provisioner.report.receipt import Receipt
from provisioner.spec.results import parse
from provisioner.targets.nspawn import bucket as hosts

JOB = {
    "slurm_id": 1,
    "state": "COMPLETED",
    "reason": "",
    "exit_code": 0,
    "nodes": ["cpu-1"],
    "restarts": 0,
    "queued_seconds": 1.0,
    "seconds": 1.0,
}


class Bucket(hosts.Folder):
    """A folder of the host. `asked` are (name, from which byte); `troubles` what is raised first, by name."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.root = root
        self.asked: list[tuple[str, int]] = []
        self.troubles: dict[str, list[int]] = {}

    def get(self, name: str, offset: int = 0) -> Iterator[bytes]:
        self.asked.append((name, offset))
        left = self.troubles.get(name)
        if left:
            yield b"".join(super().get(name))[offset : left.pop(0)]
            raise store.Refused("TRANSIENT", "the line dropped")
        yield from super().get(name, offset)

    def job(self, name: str, files: dict[str, str], **said: str) -> None:
        """As the head puts it; `said` is what is told of a file's content instead of the truth."""
        told: dict[str, Any] = {}
        for path, text in files.items():
            place = self.root / name / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text)
            data = said.get(path, text).encode()
            told[path] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest(), "mode": 0o640}
        (self.root / f"{name}.json").write_text(json.dumps({"result": JOB, "files": told, "findings": []}))


@pytest.fixture
def bucket(folder: Path) -> Bucket:
    (folder / "bucket").mkdir()
    return Bucket(folder / "bucket")


def download(bucket: Bucket, into: Path, *jobs: str) -> tuple[list[str], list[str]]:
    """(what is wrong, files in place)."""
    told: list[Event] = []
    receipt = Receipt.model_validate({**RECEIPT, "jobs": dict.fromkeys(jobs, JOB)})
    where = parse(f"file://{bucket.root}")
    found = bring.download(bring.Bucket("test-abc234", where, bucket), receipt, into, Events("x", [told.append]))
    assert all(finding.code == "output" and finding.level.value == "error" for finding in found)
    there = sorted(str(path.relative_to(into)) for path in into.rglob("*") if path.is_file())
    return [finding.message for finding in found], there


def test_files_come_with_their_modes(bucket: Bucket, folder: Path) -> None:
    bucket.job("melt", {"out/a": "1", "out/b c": "", "out/a.partial": "3"})
    bucket.job("plot", {})
    assert download(bucket, folder / "r", "melt", "plot", "refused") == ([], ["melt/out/a", "melt/out/a.partial", "melt/out/b c"])
    assert (folder / "r/melt/out/a").stat().st_mode & 0o777 == 0o640
    assert (folder / "r/plot").is_dir()
    assert not (folder / "r/.partial").exists()


def test_a_line_that_drops_costs_what_was_not_there_yet(bucket: Bucket, folder: Path) -> None:
    bucket.job("melt", {"a": "0123456789"})
    bucket.troubles["melt/a"] = [4, 7]
    assert download(bucket, folder / "r", "melt") == ([], ["melt/a"])
    assert [offset for name, offset in bucket.asked if name == "melt/a"] == [0, 4, 7]


def test_a_download_that_was_broken_off_goes_on(bucket: Bucket, folder: Path) -> None:
    bucket.job("melt", {"a": "0123456789", "b": "there"})
    bucket.troubles["melt/a"] = [4, 5, 6]
    with pytest.raises(Refused):
        download(bucket, folder / "r", "melt")
    assert not (folder / "r/melt").exists()
    bucket.asked.clear()
    assert download(bucket, folder / "r", "melt") == ([], ["melt/a", "melt/b"])
    # Whether b was there before a was broken off is nobody's promise.
    assert [each for each in bucket.asked if each[0] == "melt/a"] == [("melt/a", 6)]
    # What is there already is not brought again.
    bucket.asked.clear()
    assert download(bucket, folder / "r", "melt") == ([], ["melt/a", "melt/b"])
    assert [each for each in bucket.asked if not each[0].endswith(".json")] == []


def test_what_is_not_as_it_was_put_is_told_and_not_kept(bucket: Bucket, folder: Path) -> None:
    bucket.job("melt", {"a": "right", "b": "wrong", "c": "gone"}, b="right")
    (bucket.root / "melt/c").unlink()
    wrong, there = download(bucket, folder / "r", "melt")
    assert [message.split(" was not")[0] for message in wrong] == ["melt: b", "melt: c"]
    assert there == ["melt/a"]


def test_a_bucket_that_lies_writes_nowhere_else(bucket: Bucket, folder: Path) -> None:
    bucket.job("melt", {"a": "1"})
    told = json.loads((bucket.root / "melt.json").read_text())
    (folder / "victim").write_text("1")
    for path in ("../../victim", "/etc/motd"):
        told["files"][path] = told["files"]["a"]
    (bucket.root / "melt.json").write_text(json.dumps(told))
    (folder / "victim").unlink()
    wrong, there = download(bucket, folder / "r", "melt", "../up")
    assert len(wrong) == 2
    assert there == ["melt/a"]
    assert not (folder / "victim").exists()


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("s3://my.bucket", ("s3", "", "my.bucket", "")),
        ("s3://bucket/of/ada/", ("s3", "", "bucket", "of/ada")),
        ("gs://my_bucket/x", ("gs", "", "my_bucket", "x")),
        ("https://acc0unt.blob.core.windows.net/con-tainer/x", ("blob", "acc0unt", "con-tainer", "x")),
        ("file:///srv/a b", ("file", "", "", "/srv/a b")),
        ("/srv/results/", ("file", "", "", "/srv/results")),
    ],
)
def test_places(text: str, parts: tuple[str, str, str, str]) -> None:
    where = parse(text)
    assert (where.kind, where.account, where.bucket, where.prefix) == parts
    assert parse(str(where)) == where
    assert str(where.below("run")).endswith("/run")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "results",
        "s3://",
        "s3://B",
        "s3://bucket/*",
        "s3://bucket/a/../b",
        "s3://bucket//a",
        "gs://b/x?y",
        "ftp://x/y",
        "/a/../b",
    ],
)
def test_no_places(text: str, folder: Path) -> None:
    with pytest.raises(ValueError, match="no place for results"):
        parse(text)
    (finding,) = found_in(folder, f"{RIGHT}results: {json.dumps(text)}\n")
    assert (finding.code, finding.line) == ("value", 5)


def test_the_place_is_the_option_s_or_the_file_s(folder: Path) -> None:
    said = spec(f"{RIGHT}results: s3://bucket/x/\n").results
    assert said == "s3://bucket/x"
    assert wanted(said, None, "aws") == said
    assert wanted(said, "s3://other", "aws") == "s3://other"
    assert wanted(said, None, "nspawn") == said
    assert wanted(said, None, "local") is None
    for place, target in ((said, "gcp"), ("gs://bucket", "aws"), ("/srv", "azure"), (None, "aws")):
        with pytest.raises(Invalid) as caught:
            wanted(place, None, target)
        assert caught.value.fix.startswith("--to ")


def test_a_rehearsal_s_bucket_takes_parts_of_its_own_run_alone(folder: Path) -> None:
    def put(name: str, ranged: str, body: bytes, data: bytes) -> None:
        headers = {"Content-Range": f"bytes {ranged}", "X-Sha256": hashlib.sha256(data).hexdigest()}
        hosts.keep(str(folder), "run-1", name, headers, body)

    put("run-1/a/b", "0-2/5", b"abc", b"abcde")
    assert not (folder / "run-1/a/b").exists()
    # A part whose answer got lost comes again.
    put("run-1/a/b", "0-2/5", b"abc", b"abcde")
    put("run-1/a/b", "3-4/5", b"de", b"abcde")
    assert (folder / "run-1/a/b").read_bytes() == b"abcde"
    put("run-1/empty", "0--1/0", b"", b"")
    assert (folder / "run-1/empty").read_bytes() == b""
    for name in ("run-2/a", "run-1/../run-2/a", "run-1", "a"):
        with pytest.raises(hosts.Refused) as caught:
            put(name, "0-0/1", b"x", b"x")
        assert caught.value.kind == "AUTH"
    with pytest.raises(hosts.Refused):
        put("run-1/wrong", "0-0/1", b"x", b"y")
    assert not (folder / "run-1/wrong").exists()

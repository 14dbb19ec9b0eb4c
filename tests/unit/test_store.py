"""Where results are kept: S3 as moto has it, Cloud Storage and Blob Storage of the tests' own (buckets.py)."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import buckets
import here_only
import pytest

from provisioner.alone import store
from provisioner.alone.store import Refused

LARGE = bytes(range(256)) * 4096 * 5 + b"the end"


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is large here has five parts and a bit; S3's least part is 5 MiB, moto's too."""
    here_only.open_here(monkeypatch)
    monkeypatch.setattr(store, "PART", 1 << 20)


@contextmanager
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[store.Store, Any]]:
    import boto3
    from moto import mock_aws

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setattr(store, "PART", 5 << 20)
    with mock_aws():
        client = boto3.client("s3")
        client.create_bucket(Bucket="theirs")
        yield store.S3(client, "theirs", "of/ada/run"), client


@pytest.fixture(params=["s3", "gs", "blob"])
def kept(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[store.Store]:
    """A store of each kind, empty."""
    if request.param == "s3":
        with s3(monkeypatch) as (made, _):
            yield made
        return
    service = buckets.Google() if request.param == "gs" else buckets.Azure()
    with buckets.serving(service):
        yield _over_http(service)


def _over_http(service: buckets.Service, slept: list[float] | None = None) -> store.Store:
    sleep = (slept if slept is not None else []).append
    if isinstance(service, buckets.Google):
        return store.Gcs(lambda: "a-token", "theirs", "of/ada/run", service.endpoint, sleep=sleep)
    return store.Blob(lambda: "a-token", f"{service.endpoint}/theirs", "of/ada/run", sleep=sleep)


def put(where: store.Store, name: str, data: bytes, sha256: str | None = None) -> None:
    where.put(name, io.BytesIO(data), len(data), sha256 or hashlib.sha256(data).hexdigest())


@pytest.mark.parametrize("data", [b"", b"small", LARGE])
def test_what_was_put_is_got(kept: store.Store, data: bytes) -> None:
    put(kept, "melt/a b/ü%41.txt", data)
    assert b"".join(kept.get("melt/a b/ü%41.txt")) == data
    if data:
        assert b"".join(kept.get("melt/a b/ü%41.txt", len(data) - 2)) == data[-2:]


def test_it_takes_the_place_of_what_was_there(kept: store.Store) -> None:
    for value in ({"first": 1}, {"second": 2}):
        store.put_json(kept, "status.json", value)
    assert store.get_json(kept, "status.json") == {"second": 2}
    assert store.get_json(kept, "receipt.json") is None


@pytest.mark.parametrize("data", [b"small", LARGE])
def test_nothing_is_kept_of_what_changed_while_it_was_read(kept: store.Store, data: bytes) -> None:
    for stream, size in ((io.BytesIO(data + b"more"), len(data)), (io.BytesIO(data), len(data) + 1)):
        with pytest.raises(Refused) as caught:
            kept.put("out", stream, size, hashlib.sha256(data).hexdigest())
        assert caught.value.kind == "CHANGED"
    assert store.get_json(kept, "out") is None


def test_parts_of_what_never_became_an_object_are_taken_away(monkeypatch: pytest.MonkeyPatch) -> None:
    with s3(monkeypatch) as (where, client):
        with pytest.raises(Refused):
            put(where, "out", LARGE * 2, "0" * 64)
        assert "Uploads" not in client.list_multipart_uploads(Bucket="theirs")


def test_s3_says_no(monkeypatch: pytest.MonkeyPatch) -> None:
    with s3(monkeypatch) as (_, client):
        with pytest.raises(Refused) as caught:
            put(store.S3(client, "nobodys", "p"), "out", b"x")
        assert (caught.value.kind, "NoSuchBucket" in str(caught.value)) == ("CONFIG", True)


def test_s3_is_told_the_checksum_that_it_is_to_find(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[dict[str, Any]] = []
    with s3(monkeypatch) as (where, client):
        for method in ("PutObject", "UploadPart"):
            client.meta.events.register(f"provide-client-params.s3.{method}", lambda params, **_: told.append(params))
        put(where, "small", b"x")
        put(where, "large", LARGE)
    assert [base64.b64decode(each["ChecksumSHA256"]) for each in told] == [
        hashlib.sha256(each).digest() for each in (b"x", LARGE[: 5 << 20], LARGE[5 << 20 :])
    ]


@pytest.mark.parametrize("make", [buckets.Google, buckets.Azure])
@pytest.mark.parametrize("trouble", [503, 429, -1])
@pytest.mark.parametrize("call", range(7))
def test_what_passes_is_asked_again(make: type[buckets.Service], trouble: int, call: int) -> None:
    """At any call of a large upload; -1: it was done, and the answer got lost."""
    with buckets.serving(make()) as service:
        service.troubles = [0] * call + [trouble]
        slept: list[float] = []
        put(_over_http(service, slept), "out", LARGE)
        assert b"".join(_over_http(service).get("out")) == LARGE
        assert slept or trouble == -1 or call


@pytest.mark.parametrize("make", [buckets.Google, buckets.Azure])
def test_what_does_not_pass_is_said_at_once(make: type[buckets.Service]) -> None:
    with buckets.serving(make()) as service:
        service.token = "Bearer another"
        slept: list[float] = []
        with pytest.raises(Refused) as caught:
            put(_over_http(service, slept), "out", b"x")
        assert (caught.value.kind, slept, len(service.asked)) == ("AUTH", [], 1)
        service.token, service.troubles = "Bearer a-token", [503] * 20
        with pytest.raises(Refused) as caught:
            put(_over_http(service, slept), "out", b"x")
        assert (caught.value.kind, slept) == ("TRANSIENT", list(store.PAUSES))


def test_google_that_has_something_else_is_not_believed() -> None:
    with buckets.serving(buckets.Google()) as service:
        assert isinstance(service, buckets.Google)
        whole = service._whole
        service._whole = lambda name, body: whole(name, body + b"!")  # type: ignore[method-assign]
        with pytest.raises(Refused) as caught:
            put(_over_http(service), "out", b"x")
        assert "not what was sent" in str(caught.value)


def test_a_pipe_where_a_file_was_does_not_wait(folder: Path) -> None:
    import os

    os.mkfifo(folder / "out")
    with buckets.serving(buckets.Azure()) as service, pytest.raises(Refused) as caught:
        store.put_file(_over_http(service), "out", str(folder / "out"), 3, "0" * 64)
    assert caught.value.kind == "CHANGED"

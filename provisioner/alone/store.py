"""Where results are kept: a folder of a bucket. S3 by boto3; Cloud Storage, Blob Storage and a rehearsal's host by HTTP.

Standard library only, boto3 aside; client and head have the same file. Names are paths below the folder. What is put is
known by size and SHA-256 beforehand; each service checks what it got (S3: SHA-256 of each part, Blob: MD5 of each block),
or tells what it has, which is compared (Cloud Storage: MD5).

Sources: S3 API reference, "PutObject", "UploadPart" (ChecksumSHA256); Cloud Storage, "Resumable uploads", "Objects: insert";
"Put Blob", "Put Block", "Put Block List" and "Get Blob" of the Blob service.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.client
import io
import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from email.utils import formatdate
from typing import IO, Any, Protocol
from urllib.parse import quote, urlencode

# In memory at a time; a service takes 10,000 (S3) to 50,000 parts (Blob), so that large files have larger ones.
PART, _PARTS = 64 << 20, 9000
_BLOCK = 1 << 20
# What is busy now is asked again after these many seconds: THROTTLE and TRANSIENT are nobody's last word.
PAUSES = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
_TIMEOUT = 300.0
# "Versioning for the Azure Storage services": one that knows bearer tokens, and is known everywhere.
_BLOB_VERSION = "2021-12-02"
_STATUS = {401: "AUTH", 403: "AUTH", 404: "ABSENT", 408: "TRANSIENT", 429: "THROTTLE"}

Token = Callable[[], str]


class Refused(Exception):
    """The service said no, in its own words. `kind`: AUTH, THROTTLE, TRANSIENT, CONFIG, ABSENT; CHANGED: the file has."""

    def __init__(self, kind: str, words: str) -> None:
        super().__init__(words)
        self.kind = kind


class Store(Protocol):
    """A folder of a bucket. Every member raises Refused, once what passes by itself has been asked again."""

    def put(self, name: str, stream: IO[bytes], size: int, sha256: str) -> None:
        """Keep what the stream has, over what was there. Nothing is kept of what is not as it was said to be."""

    def get(self, name: str, offset: int = 0) -> Iterator[bytes]:
        """What is kept under that name, from a byte on. Raises Refused with kind ABSENT where nothing is."""


def put_file(store: Store, name: str, path: str, size: int, sha256: str) -> None:
    """A file that must be as it was when it was looked at."""
    # It may be a pipe by now, whose opening would wait for ever.
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY), "rb", buffering=0) as stream:
        store.put(name, stream, size, sha256)


def put_json(store: Store, name: str, value: object) -> None:
    """A document."""
    data = json.dumps(value, indent=1, ensure_ascii=False).encode()
    store.put(name, io.BytesIO(data), len(data), hashlib.sha256(data).hexdigest())


def get_json(store: Store, name: str) -> Any:
    """A document; None where there is none."""
    try:
        return json.loads(b"".join(store.get(name)))
    except Refused as problem:
        if problem.kind != "ABSENT":
            raise
        return None


def _parts(stream: IO[bytes], size: int, sha256: str) -> Iterator[tuple[bytes, bool]]:
    """(bytes, whether these are the last), which are given out only when all of it is what it was said to be."""
    summed, left = hashlib.sha256(), size
    most = max(PART, -(-size // _PARTS // _BLOCK) * _BLOCK)
    while True:
        block = _exactly(stream, min(most, left))
        summed.update(block)
        left -= len(block)
        if not left and (summed.hexdigest() != sha256 or stream.read(1)):
            raise Refused("CHANGED", "it was still being written")
        yield block, not left
        if not left:
            return


def _exactly(stream: IO[bytes], size: int) -> bytes:
    held = bytearray()
    while len(held) < size:
        block = stream.read(size - len(held))
        if not block:
            raise Refused("CHANGED", "it became shorter while it was read")
        held += block
    return bytes(held)


class S3:
    """`client` is boto3's, for S3."""

    def __init__(self, client: Any, bucket: str, prefix: str) -> None:
        self._client, self._bucket, self._prefix = client, bucket, prefix

    def put(self, name: str, stream: IO[bytes], size: int, sha256: str) -> None:
        parts = _parts(stream, size, sha256)
        block, last = next(parts)
        if last:
            self._call("put_object", name, Body=block, ChecksumSHA256=_base64(bytes.fromhex(sha256)))
            return
        upload = self._call("create_multipart_upload", name, ChecksumAlgorithm="SHA256")["UploadId"]
        try:
            done = [self._part(name, upload, 1, block)]
            done += [self._part(name, upload, number, block) for number, (block, _) in enumerate(parts, 2)]
            self._call("complete_multipart_upload", name, UploadId=upload, MultipartUpload={"Parts": done})
        except BaseException:
            # Parts of what never became an object are billed until somebody takes them away.
            with contextlib.suppress(Refused):
                self._call("abort_multipart_upload", name, UploadId=upload)
            raise

    def _part(self, name: str, upload: str, number: int, block: bytes) -> dict[str, Any]:
        summed = _base64(hashlib.sha256(block).digest())
        told = self._call("upload_part", name, UploadId=upload, PartNumber=number, Body=block, ChecksumSHA256=summed)
        return {"ETag": told["ETag"], "PartNumber": number, "ChecksumSHA256": summed}

    def get(self, name: str, offset: int = 0) -> Iterator[bytes]:
        ranged = {"Range": f"bytes={offset}-"} if offset else {}
        yield from self._call("get_object", name, **ranged)["Body"].iter_chunks(_BLOCK)

    def _call(self, method: str, name: str, **more: Any) -> Any:
        """boto3 itself asks again (retries, in `opened`)."""
        from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

        try:
            return getattr(self._client, method)(Bucket=self._bucket, Key=f"{self._prefix}/{name}", **more)
        except ClientError as problem:
            code = problem.response["Error"]["Code"]
            kind = "AUTH" if code in ("ExpiredToken", "InvalidToken") else "CONFIG" if code == "NoSuchBucket" else ""
            raise Refused(kind or _kind(problem.response["ResponseMetadata"]["HTTPStatusCode"]), str(problem)) from problem
        except BotoCoreError as problem:
            raise Refused("AUTH" if isinstance(problem, NoCredentialsError) else "TRANSIENT", str(problem)) from problem


def _kind(status: int) -> str:
    return _STATUS.get(status) or ("TRANSIENT" if status >= 500 else "CONFIG")


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


class _OverHttp:
    """`token` answers a bearer token that is valid now, or nothing."""

    # Statuses below 400 that urllib takes for errors, and we do not.
    fine: tuple[int, ...] = ()

    def __init__(self, token: Token, prefix: str, sleep: Callable[[float], None] = time.sleep) -> None:
        self._token, self._prefix, self._sleep = token, prefix, sleep

    def _headers(self) -> dict[str, str]:
        token = self._token()
        return {"Content-Type": "application/octet-stream", **({"Authorization": f"Bearer {token}"} if token else {})}

    def _call(self, method: str, url: str, headers: Mapping[str, str], body: bytes = b"") -> tuple[int, Mapping[str, str], bytes]:
        """(status, headers, body), asked again while the service is busy."""
        answer: tuple[int, Mapping[str, str], bytes] = self._insist(lambda: self._once(method, url, headers, body))
        return answer

    def _insist(self, act: Callable[[], Any]) -> Any:
        for pause in PAUSES:
            try:
                return act()
            except Refused as problem:
                if problem.kind not in ("THROTTLE", "TRANSIENT"):
                    raise
            self._sleep(pause)
        return act()

    def _once(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> tuple[int, Mapping[str, str], bytes]:
        with self._opened(method, url, headers, body) as answer:
            return answer.status, answer.headers, answer.read()

    def _opened(self, method: str, url: str, headers: Mapping[str, str], body: bytes = b"") -> Any:
        data = None if method == "GET" else body
        try:
            # https, or a rehearsal's own provider; a token may be asked for here, which may fail in the same ways.
            request = urllib.request.Request(url, data, {**self._headers(), **headers}, method=method)  # noqa: S310
            return urllib.request.urlopen(request, timeout=_TIMEOUT)  # noqa: S310
        except urllib.error.HTTPError as problem:
            if problem.code in self.fine:
                return problem
            with problem:
                words = problem.read().decode(errors="replace")[:500]
            raise Refused(_kind(problem.code), f"HTTP {problem.code}: {words}") from None
        except (OSError, http.client.HTTPException) as problem:
            raise Refused("TRANSIENT", f"{method} {url}: {problem}") from problem

    def _stream(self, url: str, offset: int) -> Iterator[bytes]:
        ranged = {"Range": f"bytes={offset}-"} if offset else {}
        with self._insist(lambda: self._opened("GET", url, ranged)) as answer:
            if offset and answer.status != 206:
                raise Refused("TRANSIENT", "the service knows no ranges")
            try:
                while block := answer.read(_BLOCK):
                    yield block
            except (OSError, http.client.HTTPException) as problem:
                raise Refused("TRANSIENT", f"the line dropped: {problem}") from problem


class Gcs(_OverHttp):
    """Cloud Storage's JSON API."""

    fine = (308,)

    def __init__(self, token: Token, bucket: str, prefix: str, endpoint: str = "", **more: Any) -> None:
        super().__init__(token, prefix, **more)
        self._endpoint, self._bucket = endpoint or "https://storage.googleapis.com", bucket

    def put(self, name: str, stream: IO[bytes], size: int, sha256: str) -> None:
        parts, summed = _parts(stream, size, sha256), hashlib.md5(usedforsecurity=False)
        block, last = next(parts)
        summed.update(block)
        if last:
            told = self._call("POST", self._upload(name, "media"), {}, block)[2]
        else:
            asked = self._call("POST", self._upload(name, "resumable"), {"X-Upload-Content-Length": str(size)})
            told, start = self._chunk(asked[1]["Location"], block, 0, size), len(block)
            for block, _ in parts:
                summed.update(block)
                told, start = self._chunk(asked[1]["Location"], block, start, size), start + len(block)
        has = json.loads(told).get("md5Hash")
        if has is not None and has != _base64(summed.digest()):
            raise Refused("TRANSIENT", f"{name}: what arrived is not what was sent")

    def _upload(self, name: str, way: str) -> str:
        query = urlencode({"uploadType": way, "name": f"{self._prefix}/{name}"})
        return f"{self._endpoint}/upload/storage/v1/b/{self._bucket}/o?{query}"

    def _chunk(self, session: str, block: bytes, start: int, size: int) -> bytes:
        """Send one chunk; what got lost on its way is sent again from where the service has it."""
        have, end = start, start + len(block)

        def send() -> bytes:
            nonlocal have
            ranged = {"Content-Range": f"bytes {have}-{end - 1}/{size}"}
            try:
                status, headers, body = self._once("PUT", session, ranged, block[have - start :])
            except Refused as problem:
                if problem.kind not in ("THROTTLE", "TRANSIENT"):
                    raise
                status, headers, body = self._once("PUT", session, {"Content-Range": f"bytes */{size}"}, b"")
            if status != 308:
                return body
            have = int(headers["Range"].rpartition("-")[2]) + 1 if headers.get("Range") else 0
            if have < end:
                raise Refused("TRANSIENT", f"{have} of {end} bytes are there")
            return b"{}"

        sent: bytes = self._insist(send)
        return sent

    def get(self, name: str, offset: int = 0) -> Iterator[bytes]:
        key = quote(f"{self._prefix}/{name}", safe="")
        return self._stream(f"{self._endpoint}/storage/v1/b/{self._bucket}/o/{key}?alt=media", offset)


class Blob(_OverHttp):
    """`place` is the container's URL."""

    def __init__(self, token: Token, place: str, prefix: str, **more: Any) -> None:
        super().__init__(token, prefix, **more)
        self._place = place

    def _headers(self) -> dict[str, str]:
        return {**super()._headers(), "x-ms-version": _BLOB_VERSION, "x-ms-date": formatdate(usegmt=True)}

    def _url(self, name: str) -> str:
        return f"{self._place}/{quote(f'{self._prefix}/{name}')}"

    def put(self, name: str, stream: IO[bytes], size: int, sha256: str) -> None:
        parts, url, blocks = _parts(stream, size, sha256), self._url(name), list[str]()
        block, last = next(parts)
        if last:
            self._call("PUT", url, {"x-ms-blob-type": "BlockBlob", "Content-MD5": _md5(block)}, block)
            return
        while True:
            # All ids of a blob have one length.
            blocks.append(_base64(f"{len(blocks):08d}".encode()))
            self._call("PUT", f"{url}?{urlencode({'comp': 'block', 'blockid': blocks[-1]})}", {"Content-MD5": _md5(block)}, block)
            if last:
                break
            block, last = next(parts)
        listed = "".join(f"<Latest>{each}</Latest>" for each in blocks)
        body = f'<?xml version="1.0" encoding="utf-8"?><BlockList>{listed}</BlockList>'.encode()
        self._call("PUT", f"{url}?comp=blocklist", {"Content-MD5": _md5(body)}, body)

    def get(self, name: str, offset: int = 0) -> Iterator[bytes]:
        return self._stream(self._url(name), offset)


def _md5(data: bytes) -> str:
    return _base64(hashlib.md5(data, usedforsecurity=False).digest())


class Host(_OverHttp):
    """A rehearsal's bucket: the provider of machines keeps it on their host (targets/nspawn/bucket.py)."""

    def __init__(self, endpoint: str, prefix: str, **more: Any) -> None:
        super().__init__(lambda: "", prefix, **more)
        self._endpoint = endpoint

    def put(self, name: str, stream: IO[bytes], size: int, sha256: str) -> None:
        start = 0
        for block, _ in _parts(stream, size, sha256):
            ranged = {"Content-Range": f"bytes {start}-{start + len(block) - 1}/{size}", "X-Sha256": sha256}
            self._call("PUT", self._url(name), ranged, block)
            start += len(block)

    def get(self, name: str, offset: int = 0) -> Iterator[bytes]:
        return self._stream(self._url(name), offset)

    def _url(self, name: str) -> str:
        return f"{self._endpoint}/results/{quote(f'{self._prefix}/{name}')}"


def opened(told: Mapping[str, Any], token: Token) -> Store:
    """`told` is {"kind": s3 | gs | blob | host, "bucket", "prefix"}, with `region`, `place` (Blob) or `endpoint` (host)."""
    kind, prefix = told["kind"], told["prefix"]
    if kind == "s3":
        import boto3
        from botocore.config import Config

        config = Config(retries={"mode": "standard", "max_attempts": 10}, connect_timeout=20, read_timeout=120)
        return S3(boto3.client("s3", region_name=told["region"], config=config), told["bucket"], prefix)
    if kind == "gs":
        return Gcs(token, told["bucket"], prefix)
    return Blob(token, told["place"], prefix) if kind == "blob" else Host(told["endpoint"], prefix)

"""The stream in which files travel, whatever becomes of the files and whoever writes the stream."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
import tempfile
from pathlib import Path
from typing import IO

import pytest

from provisioner.tarstream import Sum, create, pack, unpack


class Meddling(io.BytesIO):
    """A stream that does something to the file while it is read: when that many bytes have passed."""

    def __init__(self, at: int, act: object) -> None:
        super().__init__()
        self._at, self._act = at, act

    def write(self, data: object) -> int:
        count = super().write(data)  # type: ignore[arg-type]
        if self._at and self.tell() >= self._at:
            self._at = 0
            self._act()  # type: ignore[operator]
        return count


def through(stream: IO[bytes], folder: Path, names: list[str]) -> dict[int, Sum]:
    stream.seek(0)
    return dict(unpack(stream, [str(folder / name) for name in names], strict=False))


def test_a_file_that_grows_is_what_was_read_of_it(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"x" * 1_000_000)
    (tmp_path / "next").write_bytes(b"next")

    def grow() -> None:
        with (tmp_path / "log").open("ab") as log:
            log.write(b"y" * 500_000)

    out = Meddling(200_000, grow)
    packed = dict(pack([str(tmp_path / "log"), str(tmp_path / "next")], out, strict=True))
    got = through(out, tmp_path / "to", ["log", "next"])
    assert got == packed
    assert got[0][:2] == (1_000_000, hashlib.sha256(b"x" * 1_000_000).hexdigest())
    assert (tmp_path / "to/next").read_bytes() == b"next"


def test_a_file_that_shrinks_is_taken_back_and_the_next_is_whole(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"x" * 1_000_000)
    (tmp_path / "next").write_bytes(b"next")
    out = Meddling(200_000, lambda: os.truncate(tmp_path / "log", 10))
    packed = dict(pack([str(tmp_path / "log"), str(tmp_path / "next")], out, strict=True))
    assert packed[0].bytes < 1_000_000
    got = through(out, tmp_path / "to", ["log", "next"])
    assert got[0].sha256 == ""
    assert not (tmp_path / "to/log").exists()
    assert (tmp_path / "to/next").read_bytes() == b"next"


@pytest.fixture
def room(tmp_path: Path) -> Path:
    """A folder in which nothing is."""
    folder = tmp_path / "room"
    folder.mkdir()
    return folder


def hostile(*members: tarfile.TarInfo) -> IO[bytes]:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for member in members:
            archive.addfile(member, io.BytesIO(b"evil"))
    return out


@pytest.mark.parametrize("name", ["../evil", "/tmp/evil", "1.0.0", "-1.0.0", "0.0", "0.0.0/../../evil", "evil"])
def test_a_name_that_nobody_asked_for_leads_nowhere(room: Path, name: str) -> None:
    member = tarfile.TarInfo(name)
    member.size = 4
    with pytest.raises(tarfile.ReadError, match="nobody"):
        through(hostile(member), room / "to", ["asked"])
    assert list(room.rglob("*")) == []


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE])
def test_what_is_no_file_is_not_made(room: Path, kind: bytes) -> None:
    link, file = tarfile.TarInfo("0.0.0"), tarfile.TarInfo("0.0.0")
    link.type, link.linkname = kind, str(room / "target")
    file.size = 4
    assert through(hostile(link), room / "to", ["asked"])[0].sha256 == ""
    assert list(room.rglob("*")) == []
    through(hostile(link, file), room / "to", ["asked"])
    assert [path.name for path in room.rglob("*")] == ["to", "asked"], "and nothing is written through it"


def test_no_bits_beyond_permissions(room: Path) -> None:
    member = tarfile.TarInfo("0.0.0")
    member.size, member.mode = 4, 0o6755
    assert through(hostile(member), room, ["asked"])[0].mode == 0o755
    assert (room / "asked").stat().st_mode & 0o7777 == 0o755


@pytest.mark.parametrize("kept", [0, 100, 700, 100_000])
def test_half_a_stream_is_never_a_whole_file(room: Path, kept: int) -> None:
    (room / "one").write_bytes(b"x" * 200_000)
    out = io.BytesIO()
    list(pack([str(room / "one")], out, strict=True))
    with pytest.raises(tarfile.ReadError):
        through(io.BytesIO(out.getvalue()[:kept]), room / "to", ["one"])


def test_a_read_only_file_of_an_earlier_attempt_is_replaced() -> None:
    # Root may open everything, so somebody else does it, in a folder that they may enter.
    with tempfile.TemporaryDirectory(dir="/tmp") as room:
        os.chown(room, 65534 if os.getuid() == 0 else -1, -1)
        before = os.geteuid()
        try:
            os.seteuid(65534 if before == 0 else before)
            for _ in range(2):
                os.close(create(f"{room}/one", 0o400))
        finally:
            os.seteuid(before)

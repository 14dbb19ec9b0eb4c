"""Which files a pattern names, and what is in them."""

from __future__ import annotations

import hashlib
import io
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner import manifest


@pytest.fixture
def tree(folder: Path) -> Path:
    """A folder of all kinds of names."""
    for name in (
        "a.txt", "b.txt", ".hidden", "a[1].txt", "a1.txt", "-rf", "ünïcode.txt", "with blank", "new\nline", "*",
        "dump/0.xyz", "dump/1.xyz", "dump/.part", "dump/deep/2.xyz", ".git/config", "empty/.keep",
    ):  # fmt: skip
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (folder / "hollow").mkdir()
    return folder


def surveyed(root: Path, pattern: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """What one pattern finds, and what of it is refused."""
    answer: list[Any] = manifest.survey(root, [pattern])
    assert [part["pattern"] for part in answer] == [pattern]
    return answer[0]["files"], answer[0]["refused"]


def every(root: Path) -> set[str]:
    return {os.path.relpath(os.path.join(top, name), root) for top, _, names in os.walk(root) for name in names}


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("a.txt", ["a.txt"]),
        ("./a.txt", ["a.txt"]),
        ("dump//0.xyz", ["dump/0.xyz"]),
        ("?.txt", ["a.txt", "b.txt"]),
        ("[ab].txt", ["a.txt", "b.txt"]),
        ("[!a].txt", ["b.txt"]),
        ("a[1].txt", ["a[1].txt"]),
        ("[a][1].txt", ["a1.txt"]),
        ("-*", ["-rf"]),
        ("-rf", ["-rf"]),
        ("ü*", ["ünïcode.txt"]),
        ("* *", ["with blank"]),
        ("new\nline", ["new\nline"]),
        ("new?line", ["new\nline"]),
        (".h*", [".hidden"]),
        ("dump", ["dump/.part", "dump/0.xyz", "dump/1.xyz", "dump/deep/2.xyz"]),
        ("dump/", ["dump/.part", "dump/0.xyz", "dump/1.xyz", "dump/deep/2.xyz"]),
        ("du*", ["dump/.part", "dump/0.xyz", "dump/1.xyz", "dump/deep/2.xyz"]),
        ("dump/*.xyz", ["dump/0.xyz", "dump/1.xyz"]),
        ("*/*.xyz", ["dump/0.xyz", "dump/1.xyz"]),
        ("**/*.xyz", ["dump/0.xyz", "dump/1.xyz", "dump/deep/2.xyz"]),
        ("dump/**/*.xyz", ["dump/0.xyz", "dump/1.xyz", "dump/deep/2.xyz"]),
        ("**/2.xyz", ["dump/deep/2.xyz"]),
        ("**/a.txt", ["a.txt"]),
        ("**/deep/**", ["dump/deep/2.xyz"]),
        (".git/**", [".git/config"]),
        ("hollow", []),
        ("hollow/**", []),
        ("none", []),
        ("a.txt/b", []),
        ("A.TXT", []),
        ("[", []),
    ],
)
def test_a_pattern_names(tree: Path, pattern: str, names: list[str]) -> None:
    assert sorted(manifest.matches(tree, pattern)) == sorted(names)


def test_a_name_to_the_letter_wins_over_its_reading_as_a_pattern(tree: Path) -> None:
    assert list(manifest.matches(tree, "*")) == ["*"]
    (tree / "*").unlink()
    assert set(manifest.matches(tree, "*")) == every(tree)


def test_a_folder_to_the_letter_on_the_way(folder: Path) -> None:
    for name in ("d[1]", "d1"):
        (folder / name).mkdir()
        (folder / name / "x").write_text("")
    assert "d[1]/x" in list(manifest.matches(folder, "d[1]/*"))


def test_all_of_it(tree: Path) -> None:
    assert set(manifest.matches(tree, "**")) == every(tree)


def test_each_file_once(tree: Path) -> None:
    found = list(manifest.matches(tree, "**/**/*"))
    assert len(found) == len(set(found))
    assert set(found) == every(tree)


@pytest.fixture
def linked(folder: Path, tmp_path: Path) -> Path:
    """A folder with links: in circles, out of it, to nothing."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("s")
    (folder / "real").mkdir()
    (folder / "real" / "file").write_text("r")
    for name, to in (
        ("round", "."),
        ("real/up", ".."),
        ("self", "self"),
        ("inner", "real"),
        ("out", outside),
        ("none", "nowhere"),
    ):
        (folder / name).symlink_to(to)
    (folder / "outfile").symlink_to(outside / "secret")
    return folder


def test_outputs_tell_a_link_as_the_link_that_it_is(linked: Path) -> None:
    every_link = ["inner", "none", "out", "outfile", "real/up", "round", "self"]
    assert sorted(manifest.matches(linked, "**")) == sorted([*every_link, "real/file"])
    assert list(manifest.matches(linked, "inner")) == ["inner"]
    assert list(manifest.matches(linked, "inner/file")) == ["inner/file"]
    assert list(manifest.matches(linked, "out/*")) == []
    assert list(manifest.matches(linked, "**/file")) == ["real/file"]


def test_inputs_are_read_through_links_and_circles_end(linked: Path) -> None:
    inner = list(manifest.matches(linked, "inner", follow=True))
    assert "inner/file" in inner
    assert "inner/up/out/secret" in inner
    assert not [path for path in inner if path.count("up/") > 1], "the circle is walked once"
    assert list(manifest.matches(linked, "out", follow=True)) == ["out/secret"]
    assert list(manifest.matches(linked, "out/*", follow=True)) == ["out/secret"]
    assert "real/file" in list(manifest.matches(linked, "**", follow=True))
    assert list(manifest.matches(linked, "**/file", follow=True)) == ["real/file"], "`**` goes through no links"


def test_a_survey_refuses_what_leads_out(linked: Path) -> None:
    files, out = surveyed(linked, "**")
    assert {entry["path"] for entry in files} == {"real/file"}
    refused = {entry["path"]: entry["why"] for entry in out}
    assert refused.pop("self").startswith("it ")
    assert refused == {
        "out": "it leads out of the job's folder",
        "outfile": "it leads out of the job's folder",
        "none": "it points to nothing",
    }


def test_a_survey_reads_a_link_that_stays_inside_as_its_file(folder: Path) -> None:
    (folder / "log.1").write_text("text")
    (folder / "log").symlink_to("log.1")
    ((entry,), _) = surveyed(folder, "log")
    assert (entry["path"], entry["bytes"], entry["sha256"]) == ("log", 4, hashlib.sha256(b"text").hexdigest())


def test_a_folder_whose_name_only_begins_like_ours_is_outside(tmp_path: Path) -> None:
    (tmp_path / "job").mkdir()
    (tmp_path / "job-2").mkdir()
    (tmp_path / "job-2" / "x").write_text("")
    (tmp_path / "job" / "x").symlink_to("../job-2/x")
    files, refused = surveyed(tmp_path / "job", "x")
    assert (files, [entry["path"] for entry in refused]) == ([], ["x"])


def test_a_survey_refuses_what_is_no_file(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    assert surveyed(folder, "pipe") == ([], [{"path": "pipe", "why": "it is not a file"}])


def test_a_survey_keeps_permissions(folder: Path) -> None:
    (folder / "run.sh").write_text("x")
    (folder / "run.sh").chmod(0o751)
    assert [entry["mode"] for entry in surveyed(folder, "*")[0]] == [0o751]


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3 * (1 << 20) + 7])
def test_a_digest_is_that_of_the_whole_file(folder: Path, size: int) -> None:
    content = os.urandom(size)
    (folder / "f").write_bytes(content)
    assert manifest.digest(folder / "f") == (size, hashlib.sha256(content).hexdigest())


def test_as_a_program(tree: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def ask(request: dict[str, object]) -> list[dict[str, object]]:
        monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps(request)))
        manifest.main()
        answer: list[dict[str, object]] = json.loads(capsys.readouterr().out)
        return answer

    assert ask({"root": str(tree), "patterns": ["*.txt", "none"]}) == manifest.survey(tree, ["*.txt", "none"])
    first, second = ask({"root": str(tree), "paths": ["a.txt", "none"]})
    assert first["sha256"] == hashlib.sha256(b"a.txt").hexdigest()
    assert second == {"path": "none", "why": "it points to nothing"}


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0/"), min_size=1, max_size=6).filter(
    lambda n: n not in (".", "..")
)
TREES = st.recursive(st.none(), lambda inner: st.dictionaries(NAMES, inner, max_size=4), max_leaves=15)


@given(tree=st.dictionaries(NAMES, TREES, max_size=5))
def test_of_any_tree_every_file_is_found_once_and_each_by_its_own_name(
    tree: dict[str, object], tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = tmp_path_factory.mktemp("tree")

    def make(folder: Path, entries: dict[str, object]) -> None:
        for name, inner in entries.items():
            if isinstance(inner, dict):
                (folder / name).mkdir()
                make(folder / name, inner)
            else:
                (folder / name).write_bytes(b"")

    make(root, tree)
    files = every(root)
    if "**" not in tree:
        found = list(manifest.matches(root, "**"))
        assert (set(found), len(found)) == (files, len(files))
    for name in files:
        assert list(manifest.matches(root, name)) == [name]
    assert {entry["path"] for entry in surveyed(root, "**/*")[0]} == files or "**" in tree

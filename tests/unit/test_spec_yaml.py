"""What can be wrong with a file before it is a Spec at all: bytes, YAML, aliases, tags."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from making import RIGHT, found_in, marked, write

from provisioner.spec import source
from provisioner.spec.load import check, load


def test_a_byte_order_mark_is_taken(folder: Path) -> None:
    assert load(write(folder, b"\xef\xbb\xbf" + RIGHT.encode())).spec.name == "right"


def test_windows_line_ends_are_taken_and_lines_counted_right(folder: Path) -> None:
    (found,) = found_in(folder, (RIGHT + "limits: {ttl: 5}\n").replace("\n", "\r\n").encode())
    assert found.line == 5


@pytest.mark.parametrize(
    ("content", "line", "said"),
    [
        (b"version: 1\nname: caf\xe9\n", 2, "byte 0xe9 is not UTF-8"),
        (RIGHT.encode("utf-16"), 1, "byte 0xff is not UTF-8"),
        (RIGHT.encode("utf-32"), 1, "byte 0xff is not UTF-8"),
        (b"\x1f\x8b\x08\x00", 1, "byte 0x8b is not UTF-8"),
    ],
)
def test_what_is_not_utf8(folder: Path, content: bytes, line: int, said: str) -> None:
    (found,) = found_in(folder, content)
    assert (found.code, found.line, found.message) == ("encoding", line, said)
    assert "UTF-8" in found.fix


@pytest.mark.parametrize("text", ["", "\n\n", "# only\n# comments\n", "---\n", "--- # a document\n...\n", "null\n", "~\n"])
def test_an_empty_file(folder: Path, text: str) -> None:
    (found,) = found_in(folder, text.encode())
    assert (found.code, found.message, found.line) == ("empty", "the file is empty", 1)
    assert "burst init" in found.fix


@pytest.mark.parametrize("text", ["- a\n- b\n", "just words\n", "42\n", "[]\n", '"version: 1"\n', "true\n"])
def test_a_root_that_is_no_mapping(folder: Path, text: str) -> None:
    (found,) = found_in(folder, text)
    assert (found.code, found.line) == ("type", 1)


def test_a_folder_and_a_file_that_is_not_there(folder: Path) -> None:
    for path, reason in ((folder, "Not a file"), (folder / "none.yaml", "No such file"), (folder / "a" / "b", "No such file")):
        spec, _, (found,) = check(path)
        assert spec is None
        assert (found.code, found.message) == ("file", f"{path}: {reason}")
        assert "burst init" in found.fix


def test_a_file_that_is_too_large(folder: Path) -> None:
    (found,) = found_in(folder, RIGHT + "#" * source.MAX_BYTES)
    assert (found.code, found.message) == ("size", "the file is larger than 1 MiB")


def test_a_billion_laughs(folder: Path) -> None:
    levels = "".join(f"{c}: &{c} [{', '.join([f'*{p}'] * 9)}]\n" for p, c in zip("abcdefgh", "bcdefghi", strict=True))
    started = time.monotonic()
    (found,) = found_in(folder, f"a: &a [lol]\n{levels}")
    assert (found.code, found.message) == ("yaml", f"aliases make it more than {source.MAX_VALUES} values")
    assert found.line == 1
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    "text",
    ["a: &a [*a]  # <<<\n", "&a version: &b {c: *b}  # <<<\n", "a: &a  # <<<\n  <<: *a\n", "a: &a {b: [{c: *a}]}  # <<<\n"],
)
def test_an_alias_of_itself(folder: Path, text: str) -> None:
    (found,) = found_in(folder, text)
    assert (found.code, found.message) == ("yaml", f"nested more than {source.MAX_DEPTH} deep")
    assert found.line in (1, 2)


@pytest.mark.parametrize("text", ["[" * 60 + "]" * 60, "[" * 5000, "{a: " * 5000, "- " * 5000 + "x", "? " * 5000])
def test_deep_nesting(folder: Path, text: str) -> None:
    (found,) = found_in(folder, f"version: 1\nname:\n  {text}\n".encode())
    assert found.code == "yaml"
    assert found.line is not None


def test_a_key_that_stands_twice(folder: Path) -> None:
    text = RIGHT + "name: left  # <<<\nlimits:\n  ttl: 2h\n  idle: 5m\n  ttl: 3h  # <<<\n"
    found = found_in(folder, text)
    assert [f.line for f in found] == marked(text)
    assert [f.code for f in found] == ["duplicate", "duplicate"]
    assert [f.message for f in found] == ["key 'name' stands twice, first on line 2", "key 'ttl' stands twice, first on line 7"]


def test_merged_keys_fill_in_and_never_win(folder: Path) -> None:
    text = """\
    version: 1
    name: merged
    groups:
      small: &small {nodes: 1, needs: {cores: 2}}
      large:
        nodes: 8
        <<: *small
      both:
        <<: [{nodes: 3}, *small]
    """
    groups = load(write(folder, text)).spec.groups
    assert {name: group.nodes.max for name, group in groups.items()} == {"small": 1, "large": 8, "both": 3}
    assert groups["both"].needs is not None
    assert groups["both"].needs.cores == 2


def test_what_is_wrong_beside_merged_keys_is_told_where_it_stands(folder: Path) -> None:
    text = """\
    version: 1
    name: merged
    groups:
      small: &small {nodes: 1, instance: [a, b]}
      large:
        nodes: 0  # <<<
        instance:
        - c
        - 7  # <<<
        <<: *small
    """
    assert [f.line for f in found_in(folder, text)] == marked(text)


def test_a_merge_of_no_mapping(folder: Path) -> None:
    (found,) = found_in(folder, RIGHT + "limits:\n  <<: [2h]\n")
    assert (found.code, found.message, found.line) == ("yaml", "`<<` takes a mapping", 6)


def test_an_anchor_may_be_used_again(folder: Path) -> None:
    text = "version: 1\nname: a\ngroups:\n  a: {nodes: &n 1}\n  b: {nodes: &n 2}\n  c: {nodes: *n}\n"
    assert load(write(folder, text)).spec.groups["c"].nodes.max == 2


def test_keys_that_are_no_text(folder: Path) -> None:
    (found,) = found_in(folder, RIGHT + "? [a, b]\n: c\n")
    assert (found.code, found.message, found.line) == ("yaml", "a key must be text", 5)


@pytest.mark.parametrize(
    ("value", "tag"),
    [
        ("!!python/object/apply:os.system [touch owned]", "tag:yaml.org,2002:python/object/apply:os.system"),
        ("!!python/object:os.system {}", "tag:yaml.org,2002:python/object:os.system"),
        ("!!python/name:str x", "tag:yaml.org,2002:python/name:str"),
        ("!mine x", "!mine"),
        ("!!binary aGk=", "tag:yaml.org,2002:binary"),
        ("!!set {a, b}", "tag:yaml.org,2002:set"),
    ],
)
def test_tags_are_refused_and_nothing_is_made_of_them(
    folder: Path, value: str, tag: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    found = found_in(folder, RIGHT + f"jobs:\n  melt:\n    command: {value}\n")
    assert (found[0].code, found[0].message, found[0].line) == ("yaml", f"the tag {tag!r} is not known here", 7)
    assert [path.name for path in folder.iterdir()] == ["burst.yaml"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (RIGHT + "---  # <<<\nversion: 1\n", "expected a single document"),
        (RIGHT + "limits: {ttl: 2h\nname: b  # <<<\n", "while parsing a flow mapping"),
        (RIGHT + "\tlimits: 1  # <<<\n", "cannot start any token"),
        (RIGHT + "limits: *nowhere  # <<<\n", "found undefined alias 'nowhere'"),
        ('version: "\\xZZ"  # <<<\n', "expected escape sequence"),
    ],
)
def test_what_is_not_yaml(folder: Path, text: str, said: str) -> None:
    (found,) = found_in(folder, text)
    assert (found.code, [found.line]) == ("yaml", marked(text))
    assert said in found.message


@pytest.mark.parametrize(
    "text", [b"version: 1\x00\n", b'name: "\\UFFFFFFFF"\n', b"%YAML 1.3\n---\nversion: 1\n", b"%YAML 3.0\n---\nversion: 1\n"]
)
def test_what_the_parser_chokes_on(folder: Path, text: bytes) -> None:
    (found,) = found_in(folder, text)
    assert (found.code, found.line) == ("yaml", 1)


def test_half_a_character(folder: Path) -> None:
    (found,) = found_in(folder, RIGHT + 'jobs:\n  melt:\n    command: "\\uD800"\n')
    assert (found.code, found.message, found.line) == ("yaml", r"'\ud800' is half a character", 7)


@pytest.mark.parametrize(
    "number", ["9" * 400, "9" * 5000, "0x" + "f" * 5000, "-1", "1e999", ".inf", "-.inf", ".nan", "0o7777777", "1_000_001"]
)
def test_numbers_nobody_means(folder: Path, number: str) -> None:
    text = RIGHT + f"jobs:\n  melt:\n    command: ls\n    nodes: {number}\n"
    (found,) = found_in(folder, text)
    assert (found.code, found.line) == ("value", 8)
    assert len(found.message) < 300


def test_yaml_1_1_is_read_as_such_where_it_is_asked_for(folder: Path) -> None:
    text = f"%YAML 1.1\n---\n{RIGHT}jobs: {{a: {{command: ls, outputs: [{{path: b, optional: yes}}]}}}}\n"
    assert load(write(folder, text)).spec.jobs["a"].outputs[0].optional


def test_words_are_words_and_numbers_stay_as_they_were_written(folder: Path) -> None:
    written = {
        "NO": "no",
        "SEX": "1:30:00",
        "DAY": "2026-01-01",
        "N": "010",
        "X": "0x1F",
        "PYTHON": "3.10",
        "E": "1e3",
        "EQ": "=",
    }
    env = ", ".join(f"{key}: {value}" for key, value in written.items())
    assert load(write(folder, f"{RIGHT}jobs:\n  a:\n    command: ls\n    env: {{{env}}}\n")).spec.jobs["a"].env == written

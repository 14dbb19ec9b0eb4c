"""One line of shell, read by every sh that a head may have."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest

from provisioner.executor.shell import Command

HARD = ["", "\n", "a\n\nb\n", "'\n'", "\\", "\\n", '"$_b_newline"', "`id`$(id)", "-n", "".join(map(chr, range(1, 0x800)))]
SHELLS = [["dash"], ["bash", "--posix"], ["busybox", "sh"]]


def said(shell: list[str], command: Command, after: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    if shutil.which(shell[0]) is None:
        pytest.skip(f"no {shell[0]}")
    argv = ["env", "-i", "PATH=/usr/bin:/bin", "LANG=C.UTF-8", *shell, "-c", 'IFS= read -r _b_line; eval "$_b_line"']
    return subprocess.run(argv, input=command.line("MARK") + after, capture_output=True, check=False, timeout=60)


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell[0])
def test_words_values_and_input_arrive_as_they_are(shell: list[str]) -> None:
    program = "import json, os, sys; print(json.dumps([sys.argv[1:], os.environ['A'], os.environ['B'], sys.stdin.read()]))"
    command = Command(("python3", "-Xutf8", "-c", program, *HARD), "/", {"A": HARD[-1], "B": "b\n"}, fed=True)
    done = said(shell, command, b"input\nas it is")
    assert json.loads(done.stdout) == [HARD, HARD[-1], "b\n", "input\nas it is"]
    assert done.stderr == b"MARK\nMARK 0\n"


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell[0])
def test_what_cannot_be_run_has_no_status(shell: list[str]) -> None:
    for command in (Command(("no-such-program",)), Command(("/etc",)), Command(("true",), "/no/such/folder")):
        done = said(shell, command)
        assert done.stderr.startswith(b"MARK\n")
        assert done.stderr.endswith(b"MARK -\n")
    assert said(shell, Command(("sh", "-c", "exit 255"))).stderr == b"MARK\nMARK 255\n"


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell[0])
def test_a_commands_time_is_up_there_too(shell: list[str]) -> None:
    assert b"MARK 137\n" in said(shell, Command(("sleep", "50"), limit=0.2)).stderr

"""Both executors do the same; and what only a line can have: a real sshd of the test's own is at its other end."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pexpect
import pytest

from provisioner import manifest
from provisioner.executor.base import Copy, Executor, FileDigest
from provisioner.executor.process import CommandFailed
from provisioner.executor.ssh import Ssh, SshExecutor
from provisioner.executor.subprocess import SubprocessExecutor
from tests.machines.sshd import SSHD, Server, command_lines, server, until

pytestmark = pytest.mark.skipif(SSHD is None, reason="no sshd: apt-get install openssh-server")

# chown(2) of a terminal is root's.
terminal = pytest.mark.skipif(os.getuid() != 0, reason="an ordinary user's sshd may give no terminal")

SECRET = "hunter2-7f3a"
HARD = [
    "",
    " ",
    "a b",
    "'",
    '"',
    'it\'s "so"',
    "line\nline\n",
    "\n",
    "-n",
    "--",
    "*",
    "~",
    "$HOME",
    "`id`",
    "\\n\\",
    "a\tb",
    "!x",
]
HARD += ["".join(map(chr, range(0x80, 0x800))), "日本 ✓ 🚀", "#", "a;b|c&d", "%s", "{a,b}"]
NAMES = ["plain", "a b", "line\nline", "-rf", "ünï ✓", "deep/er/file", "'q' \"q\"", "*", "a\\b"]

Digests = list[FileDigest]


@pytest.fixture(scope="module")
def head(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with server(tmp_path_factory.mktemp("sshd")) as one:
        yield one


@pytest.fixture
def ssh(head: Server, tmp_path: Path) -> Iterator[SshExecutor]:
    """Over a connection that is not there yet."""
    executor = SshExecutor(head.ssh(), {"BURST": "yes"}, str(tmp_path))
    yield executor
    executor.close()
    until(lambda: not head.masters())


@pytest.fixture(params=["subprocess", "ssh"])
def executor(request: pytest.FixtureRequest, tmp_path: Path) -> Executor:
    if request.param == "ssh":
        return request.getfixturevalue("ssh")
    return SubprocessExecutor({"BURST": "yes"}, str(tmp_path))


def words(*arguments: str) -> list[str]:
    return ["python3", "-Xutf8", "-c", "import json, sys; print(json.dumps(sys.argv[1:]))", *arguments]


# What both do


def test_words_arrive_as_they_are(executor: Executor) -> None:
    assert json.loads(executor.run(words(*HARD)).stdout) == HARD


def test_the_environment_is_a_logins_and_ours(executor: Executor) -> None:
    mine = {f"V{index}": value for index, value in enumerate(HARD)}
    got = executor.run(["python3", "-Xutf8", "-c", "import json, os; print(json.dumps(dict(os.environ)))"], env=mine)
    told = json.loads(got.stdout)
    assert {name: told.pop(name) for name in mine} == mine
    # A shell has been there, and cd(1) tells where.
    told.pop("PWD", None)
    told.pop("LC_CTYPE", None)
    assert sorted(told) == ["BURST", "HOME", "LANG", "LOGNAME", "PATH", "SHELL", "TERM", "USER"]
    assert told["BURST"] == "yes"


def test_the_program_is_found_on_a_logins_path(executor: Executor, tmp_path: Path) -> None:
    (tmp_path / "true").write_text("#!/bin/sh\nexit 3\n")
    (tmp_path / "mine").write_text("#!/bin/sh\necho mine\n")
    for name in ("true", "mine"):
        (tmp_path / name).chmod(0o755)
    path = {"PATH": str(tmp_path)}
    assert executor.run(["true"], env=path).status == 0
    assert executor.run(["mine"], env=path).stdout == "mine\n"
    assert executor.run(["/usr/bin/env"], env=path).stdout.count(f"PATH={tmp_path}\n") == 1


def test_the_folder_is_home_or_the_one_that_is_told(executor: Executor, tmp_path: Path) -> None:
    odd = tmp_path / "it's a\nfolder"
    odd.mkdir()
    assert executor.run(["/bin/pwd"]).stdout == f"{tmp_path}\n"
    assert executor.run(["/bin/pwd"], cwd=str(odd)).stdout == f"{odd}\n"


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize(("argv", "cwd"), [(["no-such-program"], None), (["/etc/passwd"], None), (["true"], "/no/such/folder")])
def test_what_cannot_be_run_is_told(executor: Executor, argv: list[str], cwd: str | None, check: bool) -> None:
    with pytest.raises(CommandFailed, match=f"{argv[0]} could not be run") as told:
        executor.run(argv, cwd=cwd, check=check)
    assert told.value.status is None
    assert (cwd or argv[0]) in told.value.why


@pytest.mark.parametrize("status", [0, 1, 127, 255])
def test_the_status_is_the_commands(executor: Executor, status: int) -> None:
    argv = ["sh", "-c", f"echo out; echo err >&2; exit {status}"]
    done = executor.run(argv, check=False)
    assert (done.argv[1:], done.status, done.stdout, done.stderr) == (tuple(argv[1:]), status, "out\n", "err\n")
    if status:
        with pytest.raises(CommandFailed, match=f"sh ended with {status}") as told:
            executor.run(argv)
        assert (told.value.status, told.value.why) == (status, "err")


def test_standard_input_arrives_to_the_byte_and_ends(executor: Executor) -> None:
    data = bytes(range(256)) * 5000
    summed = hashlib.sha256(data).hexdigest()
    assert executor.run(["sha256sum"], stdin=data).stdout.split()[0] == summed
    assert executor.run(["wc", "-c"], stdin=b"").stdout.strip() == "0"
    assert executor.run(["wc", "-c"]).stdout.strip() == "0", "no input is an empty one, not one that never ends"
    assert executor.run(["true"], stdin=data).status == 0, "nobody need read it"


def test_a_command_that_takes_too_long_is_ended(executor: Executor, tmp_path: Path) -> None:
    started = time.monotonic()
    with pytest.raises(CommandFailed, match="sh could not be run") as told:
        executor.run(["sh", "-c", f"echo $$ >{tmp_path}/pid; exec sleep 100"], timeout=1, check=False)
    assert told.value.why == "no answer after 1 s"
    assert time.monotonic() - started < 10
    pid = int((tmp_path / "pid").read_text())
    until(lambda: b"sleep" not in dict(command_lines()).get(pid, b""), patience=10)


def test_a_script_of_ours_answers(executor: Executor, tmp_path: Path) -> None:
    (tmp_path / "ünï ✓\n").write_bytes(b"x" * 10)
    (one,) = executor.python(Path(manifest.__file__), {"root": str(tmp_path), "patterns": ["ün*"]})[0]["files"]
    assert (one["path"], one["bytes"], one["sha256"]) == ("ünï ✓\n", 10, hashlib.sha256(b"x" * 10).hexdigest())


def files(folder: Path, names: list[str]) -> dict[str, bytes]:
    """Files with bits and times of their own."""
    content = {name: os.urandom(index * 7919 % 200_000) for index, name in enumerate(names)}
    for index, (name, data) in enumerate(content.items()):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        path.chmod([0o644, 0o755, 0o400, 0o666][index % 4])
        os.utime(path, ns=(1_700_000_000_123_456_789 + index, 1_600_000_000_987_654_321 + index))
    return content


def same(one: Path, other: Path) -> None:
    mine, its = one.stat(), other.stat()
    assert other.read_bytes() == one.read_bytes()
    assert (its.st_mode, its.st_mtime_ns) == (mine.st_mode, mine.st_mtime_ns)


@pytest.mark.parametrize("way", ["send", "fetch"])
def test_files_arrive_with_their_names_bits_and_times(executor: Executor, tmp_path: Path, way: str) -> None:
    content = files(tmp_path / "from", NAMES)
    (tmp_path / "to").mkdir()
    (tmp_path / "to/plain").write_bytes(b"an older and longer one" * 100)
    go, copies = bound(executor, way, tmp_path / "from", tmp_path / "to", NAMES)
    digests = go(copies)
    for name, digest in zip(NAMES, digests, strict=True):
        same(tmp_path / "from" / name, tmp_path / "to" / name)
        mode = stat.S_IMODE((tmp_path / "from" / name).stat().st_mode)
        told = (digest.path, digest.bytes, digest.sha256, digest.mode)
        assert told == (f"{tmp_path}/to/{name}", len(content[name]), hashlib.sha256(content[name]).hexdigest(), mode)


def test_two_thousand_files_both_ways(executor: Executor, tmp_path: Path) -> None:
    names = [f"{index % 13}/{index}" for index in range(2000)]
    for name in names:
        (tmp_path / "from" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "from" / name).write_text(name)
    sent = executor.send([Copy(tmp_path / "from" / name, f"{tmp_path}/there/{name}") for name in names])
    back = executor.fetch([Copy(tmp_path / "back" / name, f"{tmp_path}/there/{name}") for name in names])
    for name, one, other in zip(names, sent, back, strict=True):
        assert (tmp_path / "back" / name).read_text() == name
        assert one.sha256 == other.sha256 == hashlib.sha256(name.encode()).hexdigest()


def test_no_files_are_no_trouble(executor: Executor) -> None:
    assert executor.send([]) == []
    assert executor.fetch([]) == []


def test_what_is_no_file_does_not_cost_the_others(executor: Executor, tmp_path: Path) -> None:
    there = tmp_path / "there"
    files(there, ["first", "last"])
    (there / "folder").mkdir()
    os.mkfifo(there / "pipe")
    (there / "to nothing").symlink_to("nowhere")
    (there / "to a pipe").symlink_to("pipe")
    (there / "to a device").symlink_to("/dev/zero")
    # As the survey reads it: what a link inside the job's folder points to is its content.
    (there / "to a file").symlink_to("last")
    names = ["first", "gone", "folder", "pipe", "to nothing", "to a pipe", "to a device", "to a file", "last"]
    digests = executor.fetch([Copy(tmp_path / "here" / name, str(there / name)) for name in names])
    assert [name for name, digest in zip(names, digests, strict=True) if digest.sha256] == ["first", "to a file", "last"]
    assert [(digest.path, digest.bytes) for digest in digests[1:3]] == [(f"{there}/gone", 0), (f"{there}/folder", 0)]
    assert sorted(os.listdir(tmp_path / "here")) == ["first", "last", "to a file"]
    assert not (tmp_path / "here/to a file").is_symlink()
    same(there / "last", tmp_path / "here/last")


def test_a_file_that_cannot_be_made_here_does_not_cost_the_others(executor: Executor, tmp_path: Path) -> None:
    files(tmp_path / "there", ["a", "b"])
    (tmp_path / "here/a").mkdir(parents=True)
    digests = executor.fetch([Copy(tmp_path / "here" / name, f"{tmp_path}/there/{name}") for name in "ab"])
    assert [bool(digest.sha256) for digest in digests] == [False, True]


def test_a_file_that_is_not_here_is_not_sent(executor: Executor, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        executor.send([Copy(tmp_path / "gone", f"{tmp_path}/there")])


def test_a_file_that_cannot_be_made_there_is_told(executor: Executor, tmp_path: Path) -> None:
    content = files(tmp_path, [f"x{index}" for index in range(200)])
    (tmp_path / "there").write_bytes(b"a file where a folder should be")
    with pytest.raises((CommandFailed, OSError)) as told:
        executor.send([Copy(tmp_path / name, f"{tmp_path}/there/{name}") for name in content])
    assert "Not a directory" in str(told.value) + getattr(told.value, "why", "")


def test_reading_a_part(executor: Executor, tmp_path: Path) -> None:
    data = bytes(range(256)) * 2000
    log = tmp_path / "a log's\nname"
    log.write_bytes(data)
    os.mkfifo(tmp_path / "pipe")
    assert executor.read(str(log), 0, 10) == data[:10]
    assert executor.read(str(log), 255, 1 << 18) == data[255 : 255 + (1 << 18)]
    assert executor.read(str(log), len(data) - 3, 100) == data[-3:]
    assert executor.read(str(log), len(data), 100) == b""
    assert executor.read(str(log), len(data) + 50, 100) == b""
    for nothing in (tmp_path / "none", tmp_path / "pipe", tmp_path, Path("/dev/zero")):
        assert executor.read(str(nothing), 0, 100) == b""


# What only a line has


def test_another_host_key_is_refused_in_sshs_words(head: Server, tmp_path: Path) -> None:
    executor = SshExecutor(head.ssh("other"), {}, str(tmp_path))
    for check in (True, False):
        with pytest.raises(CommandFailed, match="true could not be run") as told:
            executor.run(["true"], check=check)
        assert told.value.status is None
        assert "Host key verification failed" in told.value.why
    assert head.masters() == []


def test_another_user_key_is_refused_without_a_question(head: Server, tmp_path: Path) -> None:
    executor = SshExecutor(replace(head.ssh(), identity=head.folder / "other"), {}, str(tmp_path))
    with pytest.raises(CommandFailed) as told:
        executor.run(["true"])
    assert "Permission denied" in told.value.why


def test_a_dead_server_is_told_and_comes_back(tmp_path: Path) -> None:
    with server(tmp_path) as head:
        executor = SshExecutor(head.ssh(), {}, "/")
        head.stop()
        for attempt in (lambda: executor.run(["true"], check=False), lambda: executor.read("/etc/passwd", 0, 1)):
            with pytest.raises(CommandFailed) as told:
                attempt()
            assert "Connection refused" in told.value.why
        with pytest.raises(CommandFailed, match="could not be run"):
            executor.send([Copy(Path("/etc/passwd"), f"{tmp_path}/there")])
        head.start()
        assert executor.run(["true"]).status == 0
        executor.close()


def test_a_head_that_falls_silent_is_noticed(tmp_path: Path) -> None:
    with server(tmp_path) as head:
        executor = SshExecutor(head.ssh(), {}, "/")
        executor.run(["true"])
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(executor.run, ["sh", "-c", f"touch {tmp_path}/on; exec sleep 40"], timeout=40)
            # Not before: a session that is only being asked for goes over a line of its own when the master has gone.
            until((tmp_path / "on").exists)
            children = Path(f"/proc/{head.process.pid}/task/{head.process.pid}/children").read_text().split()
            assert children
            for pid in children:
                os.kill(int(pid), signal.SIGSTOP)
            started = time.monotonic()
            with pytest.raises(CommandFailed, match="sh could not be run"):
                waiting.result()
            assert time.monotonic() - started < 22
            for pid in children:
                os.kill(int(pid), signal.SIGKILL)


@contextmanager
def watched() -> Iterator[list[bytes]]:
    """All arguments of all processes that are seen meanwhile."""
    seen: set[bytes] = set()
    told: list[bytes] = []
    over = threading.Event()

    def look() -> None:
        while not over.is_set():
            seen.update(line for _, line in command_lines())

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield told
    finally:
        over.set()
        watcher.join()
        told.extend(seen)


@terminal
def test_no_secret_is_among_the_arguments_of_a_process(head: Server, tmp_path: Path) -> None:
    executor = SshExecutor(head.ssh(), {"TOKEN": SECRET}, str(tmp_path))
    with watched() as seen:
        done = executor.run(["sh", "-c", 'sleep 0.2; echo "$TOKEN $ANOTHER"'], env={"ANOTHER": f"{SECRET}-2"})
        child = shell(head, tmp_path, {"TOKEN": SECRET}, 'sleep 0.2; echo "told: $TOKEN"')
        child.expect_exact(f"told: {SECRET}")
        child.expect(pexpect.EOF)
    child.close()
    executor.close()
    assert done.stdout == f"{SECRET} {SECRET}-2\n"
    assert any(b"sleep 0.2" in line for line in seen), "it did look while they ran"
    assert [line for line in seen if SECRET.encode() in line] == []


CALLER = """
import sys
from pathlib import Path
from provisioner.executor.ssh import Ssh, SshExecutor
user, address, identity, known, control, port, home = sys.argv[1:8]
executor = SshExecutor(Ssh(user, address, Path(identity), Path(known), Path(control), int(port)), {}, home)
"""


def caller(ssh: Ssh, home: Path, body: str) -> list[str]:
    """A program of its own that has an executor."""
    told = [ssh.user, ssh.address, str(ssh.identity), str(ssh.known_hosts), str(ssh.control), str(ssh.port), str(home)]
    return [sys.executable, "-c", CALLER + body, *told]


def test_the_master_holds_nobodys_pipe(head: Server, ssh: SshExecutor, tmp_path: Path) -> None:
    started = time.monotonic()
    argv = caller(head.ssh(), tmp_path, "print(executor.run(['echo', 'hello']).stdout)")
    done = subprocess.run(argv, capture_output=True, timeout=30, cwd=Path(__file__).parents[2], check=False)
    assert (done.stdout, done.stderr) == (b"hello\n\n", b"")
    (master,) = head.masters()
    assert time.monotonic() - started < 20
    held = {os.readlink(f"/proc/{master}/fd/{number}") for number in os.listdir(f"/proc/{master}/fd")}
    assert not [name for name in held if name.startswith("pipe:")]


def test_many_first_calls_share_one_master(head: Server, ssh: SshExecutor) -> None:
    log = head.folder / "log"
    before = log.read_text().count("Accepted publickey")
    with ThreadPoolExecutor(20) as pool:
        done = list(pool.map(lambda index: ssh.run(["echo", str(index)]), range(60)))
    assert [(one.stdout, one.stderr) for one in done] == [(f"{index}\n", "") for index in range(60)]
    assert len(head.masters()) == 1
    assert log.read_text().count("Accepted publickey") == before + 1


def test_programs_that_open_at_the_same_moment_leave_one_master(head: Server, ssh: SshExecutor, tmp_path: Path) -> None:
    argv = caller(head.ssh(), tmp_path, "executor.run(['true'])")
    started = [subprocess.Popen(argv, cwd=Path(__file__).parents[2], stderr=subprocess.PIPE) for _ in range(4)]
    assert [one.communicate(timeout=60)[1] for one in started] == [b""] * 4
    assert len(head.masters()) == 1
    mine = str(head.control).encode()
    assert [line for _, line in command_lines() if mine in line and b"[mux]" not in line] == []


def test_the_socket_of_a_killed_master_is_no_obstacle(head: Server, ssh: SshExecutor) -> None:
    assert ssh.run(["echo", "one"]).stdout == "one\n"
    (first,) = head.masters()
    head.drop()
    assert head.control.exists()
    for _ in range(2):
        done = ssh.run(["echo", "two"])
        assert (done.stdout, done.stderr) == ("two\n", "")
    (second,) = head.masters()
    assert second != first


def test_a_line_that_drops_under_a_command_is_told(head: Server, ssh: SshExecutor, tmp_path: Path) -> None:
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(ssh.run, ["sh", "-c", f"touch {tmp_path}/on; sleep 3"], check=False)
        until((tmp_path / "on").exists)
        head.drop()
        with pytest.raises(CommandFailed, match="sh could not be run") as told:
            waiting.result()
    assert told.value.status is None
    assert told.value.why


def big(folder: Path) -> tuple[list[str], int]:
    """Small files, one that takes a while, small files."""
    names = [*(f"before {index}" for index in range(50)), "big", *(f"after {index}" for index in range(50))]
    files(folder, names)
    size = 256 << 20
    (folder / "big").chmod(0o600)
    os.truncate(folder / "big", size)
    return names, size


def bound(executor: Executor, way: str, source: Path, to: Path, names: list[str]) -> tuple[Callable[..., Digests], list[Copy]]:
    """The same files one way or the other."""
    if way == "send":
        return executor.send, [Copy(source / name, f"{to}/{name}") for name in names]
    return executor.fetch, [Copy(to / name, f"{source}/{name}") for name in names]


@pytest.mark.parametrize("way", ["send", "fetch"])
def test_a_line_that_drops_under_files_costs_one_more_try(head: Server, ssh: SshExecutor, tmp_path: Path, way: str) -> None:
    names, size = big(tmp_path / "from")
    to = tmp_path / "to"
    go, copies = bound(ssh, way, tmp_path / "from", to, names)
    with ThreadPoolExecutor(1) as pool:
        going = pool.submit(go, copies)
        until(lambda: (to / "big").exists() and (to / "big").stat().st_size > 1 << 20)
        time.sleep(0.1)
        head.drop()
        reached = (to / "big").stat().st_size
        before = {name: (to / name).stat().st_ctime_ns for name in names[:50]}
        digests = going.result()
    assert reached < size, "it dropped in the middle"
    assert {name: (to / name).stat().st_ctime_ns for name in names[:50]} == before, "what was there was not sent again"
    for name, digest in zip(names, digests, strict=True):
        assert digest.sha256 == manifest.digest(tmp_path / "from" / name)[1] == manifest.digest(to / name)[1]


@pytest.mark.parametrize("way", ["send", "fetch"])
def test_a_line_that_drops_again_is_told(head: Server, ssh: SshExecutor, tmp_path: Path, way: str) -> None:
    names, _ = big(tmp_path / "from")
    to = tmp_path / "to"
    go, copies = bound(ssh, way, tmp_path / "from", to, names)
    over = threading.Event()

    def cut() -> None:
        while not over.wait(0.02):
            if (to / "big").exists() and (to / "big").stat().st_size > 1 << 20:
                head.drop()
                (to / "big").unlink()

    cutter = threading.Thread(target=cut)
    cutter.start()
    try:
        with pytest.raises(CommandFailed, match="could not be run") as told:
            go(copies)
    finally:
        over.set()
        cutter.join()
    assert told.value.why


def test_ssh_is_started_under_the_command_that_is_told(head: Server, tmp_path: Path) -> None:
    via = ("sh", "-c", f'echo >>{tmp_path}/via; exec "$@"', "sh")
    executor = SshExecutor(replace(head.ssh(), via=via), {}, "/")
    assert executor.run(["echo", "a b"]).stdout == "a b\n"
    executor.close()
    assert len((tmp_path / "via").read_text()) == 3, "the master, the command, the end"
    until(lambda: not head.masters())


def test_closing_ends_the_master_and_never_raises(head: Server, tmp_path: Path) -> None:
    executor = SshExecutor(head.ssh(), {}, "/")
    executor.close()
    executor.run(["true"])
    assert len(head.masters()) == 1
    executor.close()
    until(lambda: not head.masters())
    executor.close()
    SshExecutor(replace(head.ssh(), via=("no-such-program",)), {}, "/").close()
    assert executor.run(["true"]).status == 0
    executor.close()


# The user's terminal


def shell(head: Server, home: Path, environment: Mapping[str, str], command: str = "") -> pexpect.spawn[str]:
    """A terminal with the executor's shell on it, or one command of it."""
    body = (
        f"executor._environment = {dict(environment)!r}\nsys.exit(executor.shell({['sh', '-c', command] if command else []!r}))"
    )
    # The secret must not be among the test's own arguments either.
    program = home / "program.py"
    argv = caller(head.ssh(), home, body)
    program.write_text(argv[2])
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    return pexpect.spawn(argv[0], [str(program), *argv[3:]], encoding="utf-8", timeout=20, env=env)


@terminal
def test_a_shell_on_the_users_terminal(head: Server, ssh: SshExecutor, tmp_path: Path) -> None:
    child = shell(head, tmp_path, {"WHO": "it's\nme"})
    child.sendline('echo "<$WHO>"; pwd; tty; exit 7')
    child.expect("<it's\r\nme>")
    child.expect_exact(str(tmp_path))
    child.expect("/dev/pts/")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 7
    assert not list(Path("/dev/shm").glob("burst-*"))


def test_one_command_without_a_terminal(head: Server, ssh: SshExecutor, tmp_path: Path) -> None:
    body = "executor._environment = {'WHO': 'me'}\nsys.exit(executor.shell(['sh', '-c', 'cat; echo $WHO; exit 255']))"
    argv = caller(head.ssh(), tmp_path, body)
    done = subprocess.run(argv, input=b"hello\n", capture_output=True, timeout=30, cwd=Path(__file__).parents[2], check=False)
    assert (done.returncode, done.stdout, done.stderr) == (255, b"hello\nme\n", b"")


def test_the_socket_is_asked_and_not_the_name(head: Server, ssh: SshExecutor) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(head.control))
    assert ssh.run(["echo", "x"]).stderr == ""
    assert len(head.masters()) == 1

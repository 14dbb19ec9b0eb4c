"""A command as one line of shell, which a head reads from its standard input before the command's own.

So nothing of it, values of the environment above all, is among the arguments of a process on either side, and the
user's login shell, whichever it is, never sees the words that must arrive as they are.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from provisioner.executor.subprocess import PATH

# What read(1) of a shell takes is one line, to the byte: sh(1) has no other way that leaves the rest of a pipe alone.
_READ = r"IFS= read -r _b_line%s; eval \"\$_b_line\""
# Single quotes around all: bash, zsh, fish and csh agree on what that means. The inner sh has a login's environment
# and nothing that a head's PAM or .bashrc adds to it.
_LOGIN = (
    """exec /bin/sh -c 'exec /usr/bin/env -i "HOME=$HOME" "USER=$USER" "LOGNAME=$LOGNAME" "SHELL=$SHELL" """
    f""""LANG=${{LANG:-C.UTF-8}}" "TERM=${{TERM:-dumb}}" "PATH={PATH}" /bin/sh -c "%s"'"""
)
FROM_STDIN = _LOGIN % (_READ % "")


def from_file(path: str) -> str:
    """What ssh runs where standard input is the user's: the line is in a file, which goes as soon as it is read."""
    return _LOGIN % (_READ % f" <{path}; rm -f {path}")


@dataclass(frozen=True)
class Command:
    """A command there: its words, its folder, what its environment has beside a login's.

    `limit`: seconds after which it is killed there, whatever has become of us; 0 for never. `fed`: whether it reads
    what follows the line. No words: the user's shell.
    """

    argv: tuple[str, ...]
    cwd: str = "/"
    environment: Mapping[str, str] = field(default_factory=dict)
    limit: float = 0
    fed: bool = False

    def line(self, mark: str) -> bytes:
        """For a command whose end is told: what it says on stderr stands between `mark` and `mark STATUS`.

        The status is `-` for what could not be started.
        """
        stop = f"{{ printf '%s -\\n' {mark} >&2; exit 127; }}"
        limit = f"/usr/bin/timeout -s KILL {self.limit:g} " if self.limit else ""
        fed = "" if self.fed else " </dev/null"
        return _encoded(
            f"printf '%s\\n' {mark} >&2",
            *self._begin(stop),
            f'{limit}"$_b_program" "$@"{fed}',
            f"_b_status=$?; printf '%s %s\\n' {mark} $_b_status >&2; exit $_b_status",
        )

    def interactive(self) -> bytes:
        """For a command that takes the shell's place on the user's terminal."""
        return _encoded(*self._begin("exit 127"), 'exec "$_b_program" "$@"')

    def _begin(self, stop: str) -> Sequence[str]:
        """The environment, the folder, the program."""
        exported = [f"export {' '.join(_quote(f'{k}={v}') for k, v in self.environment.items())}"] if self.environment else []
        return [
            r"_b_newline=$(printf '\n_'); _b_newline=${_b_newline%_}",
            *exported,
            f"cd -- {_quote(self.cwd)} || {stop}",
            "unset OLDPWD",
            *_found(self.argv, stop),
        ]


def _found(argv: Sequence[str], stop: str) -> Sequence[str]:
    """Shell that puts the program's path into a variable and its arguments into "$@"."""
    program, arguments = (argv[0], argv[1:]) if argv else ("", ())
    if not argv or "/" in program:
        found = [f"_b_program={_quote(program) if argv else '$SHELL'}"]
    else:
        # On a login's PATH first, whatever the environment makes of that for what the program starts.
        looked = f'for _b_folder in {PATH.replace(":", " ")} $PATH; do _b_program="$_b_folder"/{_quote(program)}; '
        found = ["set -f; IFS=:", f'{looked}[ -f "$_b_program" ] && [ -x "$_b_program" ] && break; done', "unset IFS"]
    words = f"No such file or directory: {program}"
    return [
        *found,
        f'[ -f "$_b_program" ] && [ -x "$_b_program" ] || {{ printf %s {_quote(words)} >&2; {stop}; }}',
        f"set -- {' '.join(map(_quote, arguments))}",
    ]


def _quote(word: str) -> str:
    # shlex.quote leaves a line's end within single quotes, and the line must stay one line.
    return shlex.quote(word).replace("\n", "'\"$_b_newline\"'")


def _encoded(*statements: str) -> bytes:
    return "; ".join(statements).encode(errors="surrogateescape") + b"\n"

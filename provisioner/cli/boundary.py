"""The one boundary between errors and people: text or JSON, and the exit status."""

from __future__ import annotations

import itertools
import json
import platform
import shlex
import sys
import traceback
from pathlib import Path

import click

from provisioner import __version__
from provisioner.errors import BurstError, ExitCode, Interrupted
from provisioner.findings import Finding
from provisioner.report.terminal import finding_lines


def told(problem: BaseException) -> int:
    """Tell it and answer the exit status."""
    if isinstance(problem, Interrupted):
        return int(ExitCode.INTERRUPTED)
    if isinstance(problem, BrokenPipeError):
        # The reader has gone: nothing is to be said to it (head, less).
        sys.stdout = None
        return 0
    findings: tuple[Finding, ...] = getattr(problem, "findings", ())
    if isinstance(problem, BurstError) and problem.exit_code is not ExitCode.BUG:
        _tell(problem.message, problem.why, problem.fix, findings, problem.exit_code)
        return int(problem.exit_code)
    if isinstance(problem, BurstError):
        _tell(problem.message, problem.why, problem.fix, findings, ExitCode.BUG)
    _report(problem)
    return int(ExitCode.BUG)


def wants_json() -> bool:
    """Whether the command line asked for JSON; at the boundary Click's own context is gone."""
    words = sys.argv[1:]
    return (
        "-ojson" in words
        or "--output=json" in words
        or any(a in ("-o", "--output") and b == "json" for a, b in itertools.pairwise(words))
    )


def _tell(message: str, why: str, fix: str, findings: tuple[Finding, ...], code: ExitCode) -> None:
    if wants_json():
        body = {
            "error": {"message": message, "why": why, "fix": fix, "exit_code": int(code)},
            "findings": [finding.model_dump(mode="json") for finding in findings],
        }
        click.echo(json.dumps(body, indent=2, ensure_ascii=False))
        return
    for line in finding_lines(findings):
        click.echo(line, err=True)
    click.secho(f"burst: {message}", fg="red", err=True)
    for label, text in (("why", why), ("next", fix)):
        if text:
            head, *rest = text.splitlines()
            click.echo(f"  {label}: {head}", err=True)
            for line in rest:
                click.echo(f"       {line}", err=True)


def _report(problem: BaseException) -> None:
    """A report that can be pasted: no path of the user's machine but the program's own files."""
    here = str(Path(__file__).resolve().parent.parent.parent)
    trace = "".join(traceback.format_exception(problem)).replace(f"{here}/", "").replace(str(Path.home()), "~")
    click.secho("burst: this is a bug of ours. Please paste what follows into an issue:", fg="red", err=True)
    click.echo(f"\nburst {__version__}, Python {platform.python_version()}, {platform.platform()}", err=True)
    click.echo(f"$ burst {shlex.join(sys.argv[1:])}\n{trace}", err=True)

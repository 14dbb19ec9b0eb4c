"""`burst run --detach` on this machine: no head is elsewhere, so the client itself goes on behind the terminal."""

from __future__ import annotations

import contextlib
import os
import signal
import traceback
from pathlib import Path

from provisioner import clock
from provisioner.errors import Refused
from provisioner.lifecycle import state
from provisioner.lifecycle.prepare import Work
from provisioner.lifecycle.record import claim
from provisioner.lifecycle.run import run
from provisioner.report.receipt import Cost, Receipt
from provisioner.report.terminal import Progress, receipt_lines
from provisioner.targets.local.keeper import holders

LOG = "burst.log"
# The state folder is made within milliseconds; a loaded machine may take seconds.
_BEGINS = 30.0


def run_behind(prepared: Work, into: Path) -> Receipt:
    """`run` in a process of its own session, which a terminal that closes does not end; it tells into DIR/burst.log.

    Answers when the run has begun. Raises Refused where it does not.
    """
    log, run_id = claim(into) / LOG, prepared.design.run.id
    child = os.fork()
    if not child:
        _behind(prepared, into, log)
    for _ in clock.patience(_BEGINS):
        if state.RunState(state.runs_folder() / run_id).journal.last("begin") is not None:
            break
        if os.waitpid(child, os.WNOHANG)[0]:
            if finished(into, run_id) is not None:
                break
            said = log.read_text(errors="replace")[-2000:]
            raise Refused(f"{run_id} did not begin", why=said, fix=f"read {log}")
    else:
        raise Refused(f"{run_id} has not begun after {_BEGINS:.0f} s", why="it may still do so", fix=f"burst list; read {log}")
    return Receipt(
        run_id=run_id,
        name=prepared.design.name,
        target=prepared.design.target,
        status="detached",
        exit_code=0,
        started_at=prepared.phases[0].started_at,
        seconds=sum(phase.seconds for phase in prepared.phases),
        results=str(into),
        phases=prepared.phases,
        jobs={},
        cost=Cost(estimated_usd=prepared.design.estimate.total_max, final_usd=None),
        remains=(),
        findings=prepared.findings,
    )


def _behind(prepared: Work, into: Path, log: Path) -> None:
    """The child: never returns."""
    code = 1
    try:
        os.setsid()
        for stream, flags, path in ((0, os.O_RDONLY, Path(os.devnull)), (1, os.O_WRONLY | os.O_CREAT | os.O_APPEND, log)):
            os.dup2(os.open(path, flags, 0o644), stream)
        os.dup2(1, 2)
        receipt = run(prepared, into, [Progress()])
        os.write(1, "\n".join([*receipt_lines(receipt), ""]).encode())
        code = receipt.exit_code
    except BaseException:
        os.write(2, traceback.format_exc().encode())
    finally:
        os._exit(code)


def finished(into: Path, run_id: str | None) -> Receipt | None:
    """The receipt of a run that went on behind a terminal, once it is there."""
    try:
        receipt = Receipt.model_validate_json((into / "receipt.json").read_bytes())
    except (OSError, ValueError):
        return None
    return receipt if run_id in (None, receipt.run_id) else None


def end(remembered: state.RunState) -> Receipt | None:
    """Ask the client behind a terminal for a clean end, and wait for it; None where it is not one of those."""
    begun = remembered.journal.last("begin")
    if begun is None or not (Path(begun["results"]) / LOG).is_file():
        return None
    for pid in holders(remembered.folder):
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGTERM)
    return awaited(remembered)


def awaited(remembered: state.RunState) -> Receipt | None:
    """Wait for the client of a run on this machine to end, and answer its receipt; None where there is no client."""
    begun = remembered.journal.last("begin")
    if begun is None or begun["target"] != "local" or not state.alive(remembered.folder):
        return None
    while state.alive(remembered.folder):
        clock.sleep(0.2)
    return finished(Path(begun["results"]), remembered.run_id)

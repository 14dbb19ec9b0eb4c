"""`burst fetch`, `down` and `status`, whichever way a run stays: kept, detached to its head, or behind a terminal here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from provisioner.errors import Invalid, Refused
from provisioner.events import Events, Sink
from provisioner.lifecycle import kept, state
from provisioner.lifecycle.away import background, bring, detach
from provisioner.lifecycle.kept import Kept
from provisioner.report.receipt import Receipt


def fetch(wanted: str | None, into: Path | None, sinks: Sequence[Sink], source: str | None = None) -> Receipt:
    """Bring what there is of a run. Raises Invalid, Refused.

    One that goes on behind a terminal of this machine is waited for. `source` is where a detached run's results are.
    """
    if source is not None:
        if wanted is None:
            raise Invalid("which run?", why="--from has the results of many", fix="burst fetch RUN --from URL")
        return bring.fetch_from(wanted, source, into, sinks)
    try:
        remembered = state.find(wanted)
    except Invalid:
        over = background.finished(into or Path("results") / wanted, wanted) if wanted is not None else None
        if over is None:
            raise
        return over
    if remembered.journal.last("detached") is not None:
        return bring.fetch(remembered.run_id, into, sinks)
    if state.alive(remembered.folder):
        said = f"{remembered.run_id} goes on behind a terminal: waiting for its end"
        Events(remembered.run_id, list(sinks)).say("waiting", said)
    if (over := background.awaited(remembered)) is not None:
        return over
    found = kept.find(remembered.run_id)
    return kept.fetch(found, into or found.results, sinks)


def down(wanted: str | None, into: Path | None, sinks: Sequence[Sink], *, discard: bool) -> Receipt:
    """Collect and destroy; a detached run that has ended by itself is fetched, and what is left of it ended."""
    remembered = state.find(wanted)
    if not discard and bring.ended(remembered) is not None:
        return bring.fetch(remembered.run_id, into, sinks)
    if (over := background.end(remembered)) is not None:
        return over
    found = kept.find(wanted)
    return kept.down(found, into or found.results, sinks, discard=discard)


def over(wanted: str | None) -> Receipt | None:
    """The receipt of a detached run that has ended by itself, as far as its bucket can be read."""
    try:
        return bring.ended(state.find(wanted))
    except Refused:
        return None


def standing(wanted: str | None) -> Kept:
    """A cluster that is there to be asked. Raises Invalid, also for a detached run that has ended by itself."""
    receipt = over(wanted)
    if receipt is not None:
        why = "what its jobs wrote is in the bucket"
        raise Invalid(f"{receipt.run_id} has ended by itself", why=why, fix=f"burst fetch {receipt.run_id}")
    return kept.find(wanted)


def of_the_head(found: Kept) -> str:
    """What a detached run's head says of itself; "" for one that is kept."""
    if found.state.journal.last("detached") is None:
        return ""
    told = detach.status(found.cluster)
    if told is None:
        return "detached; its head does not say how far it is"
    problem = f"; the last try: {told['problem']}" if told["problem"] else ""
    return f"detached: {len(told['kept'])} of {len(told['jobs'])} jobs are in {told['to']}{problem}"

"""`--skip CHECK`: which checks there are to leave out."""

from __future__ import annotations

import difflib

from provisioner.design import rules
from provisioner.errors import Invalid
from provisioner.targets import checks

# Without them nobody can be asked anything.
_NEEDED = {"credentials"}


def known() -> tuple[str, ...]:
    """What `--skip` may name: the rules of a design, limits.cost, and what the places are asked."""
    return tuple(sorted({*rules.RULES, "budget", *checks.NAMES} - _NEEDED))


def skipped(names: tuple[str, ...]) -> tuple[str, ...]:
    """These, each of which there is. Raises Invalid with the one that may be meant."""
    for name in names:
        if name not in known():
            near = difflib.get_close_matches(name, known(), n=1)
            fix = f"--skip {near[0]}" if near else f"one of: {', '.join(known())}"
            raise Invalid(
                f"there is no check {name!r} to leave out", why="--skip takes the names that findings end with", fix=fix
            )
    return names

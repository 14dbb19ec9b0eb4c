"""What holds for every cloud's program. A cloud's own module (`aws`, `gcp`, `azure` beside this file) says how it is seen there.

Each rule is a function from what a program made to complaints, and a mutation of the program that it must complain of: a
rule that cannot fail proves nothing.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from provisioner.design.model import Design
from tests.stacks import programs
from tests.stacks.programs import Call, Create, Stack

# Name → what it means. Every cloud has a rule of each name.
CONTRACT: dict[str, str] = {
    "identity": "everything carries the run's id: in tags or labels, or in its name and description where there are none",
    "named": "every name that is chosen begins with the run's id, which every sweep looks for",
    "expiry": "what is billed carries the expiry, and machines end by themselves at that time where the cloud can do it",
    "compute-private": "no compute node has a public address",
    "encrypted": "every disk, filesystem and bucket is encrypted",
    "ingress": "SSH is open to the given ranges alone, and nothing else is open to the world",
    "metadata": "machines' metadata needs a token or a header, and hands out no more than they need (AWS: IMDSv2 only)",
    "actions": "the head's role lists exact actions, no wildcard among them, and can touch its own run alone",
    "calls": "every API call that launch, end and the head make is among the role's actions",
    "size": "the number of resources is the same for 1 and for 1000 nodes",
    "secrets": "no key of the run is in an output, nor in any input but user-data",
    "existing": "a network, filesystem or identity that is given by id is used, and not made",
    "fabric": "a type with a fabric gets it: cards, placement, and what lets its nodes talk to each other",
}


@dataclass(frozen=True)
class Rule:
    """`check` answers complaints. `mutation` is (file of the program, what stands there, what would be wrong).

    `text` is the file that the program is given; by default the cloud's own.
    """

    check: Callable[[Stack, Design], list[str]]
    mutation: tuple[str, str, str]
    text: str = ""


@dataclass(frozen=True)
class Cloud:
    """A cloud's program under test. `text` is a burst.yaml with every kind of thing in it."""

    name: str
    text: str
    rules: Mapping[str, Rule]
    create: Create
    call: Call

    @property
    def folder(self) -> Path:
        return programs.stacks_folder(self.name)

    def run(self, design: Design, folder: Path | None = None, **more: str) -> Stack:
        """What the program makes of a design; `more` are further keys of its configuration."""
        return programs.run(folder or self.folder, programs.configured(design, **more), self.create, self.call)


def mutated(program: Path, into: Path, mutation: tuple[str, str, str]) -> Path:
    """A copy of a program with one thing wrong. The text must stand in the file, or the mutation means nothing."""
    copy = into / program.name
    shutil.copytree(program, copy, ignore=shutil.ignore_patterns("__pycache__"))
    name, right, wrong = mutation
    text = (copy / name).read_text()
    assert right in text, f"{program.name}/{name} has no longer {right!r}: give the rule another mutation"
    (copy / name).write_text(text.replace(right, wrong))
    return copy

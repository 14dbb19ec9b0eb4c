"""What a user starts from and changes: specs, which are the examples that come with the program, and stacks.

`burst init` writes a spec into the present folder; `burst template export` writes a spec or a stack into a folder of its own.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from provisioner import files
from provisioner.errors import Invalid
from provisioner.lifecycle.papers import stacks


@dataclass(frozen=True)
class Template:
    """`kind` is spec or stack; `targets` is where it is for, as the file has it."""

    name: str
    kind: str
    targets: tuple[str, ...]
    about: str


def every() -> list[Template]:
    """Specs first."""
    from provisioner.spec.load import load

    found = []
    for name, about in templates().items():
        spec = load(files.packaged("examples") / name / "burst.yaml").spec
        found.append(Template(name, "spec", tuple(str(target) for target in spec.target), about))
    return [*found, *(Template(name, "stack", (name,), about) for name, about in stacks.stacks().items())]


def templates() -> dict[str, str]:
    """Specs: name → its one line, the first line of its README after the title."""
    found = {}
    for folder in sorted(files.packaged("examples").iterdir()):
        if (folder / "burst.yaml").is_file():
            lines = [line for line in (folder / "README.md").read_text(encoding="utf-8").splitlines() if line.strip()]
            found[folder.name] = next((line for line in lines if not line.startswith("#")), "")
    return found


def export(name: str, into: Path) -> list[Path]:
    """Write a template of either kind to `into`. Raises Invalid."""
    if name in stacks.stacks():
        return stacks.export(name, into)
    known = templates()
    if name not in known:
        there = ", ".join((*known, *stacks.stacks()))
        raise Invalid(f"there is no template {name!r}", why=f"there are: {there}", fix="burst template list")
    return copy_template(name, into)


def copy_template(name: str, into: Path) -> list[Path]:
    """Copy a spec's files; nothing that stands there is written over. Raises Invalid."""
    known = templates()
    if name in stacks.stacks():
        raise Invalid(f"{name} is a stack, not a spec", fix=f"burst template export {name} my-{name}")
    if name not in known:
        raise Invalid(f"there is no template {name!r}", why=f"there are: {', '.join(known)}", fix="burst init --list")
    source = files.packaged("examples") / name
    names = [path.relative_to(source) for path in sorted(source.rglob("*")) if path.is_file() and "results" not in path.parts]
    standing = [str(into / path) for path in names if (into / path).exists()]
    if standing:
        raise Invalid(f"{standing[0]} is already there", why="nothing is written over", fix=f"burst init {name} --into {name}")
    for path in names:
        (into / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source / path, into / path)
    return [into / path for path in names]

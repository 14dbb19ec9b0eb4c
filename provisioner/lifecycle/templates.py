"""Specs to start from: the examples that come with the program."""

from __future__ import annotations

import shutil
from pathlib import Path

from provisioner import files
from provisioner.errors import Invalid


def templates() -> dict[str, str]:
    """Name → its one line: the first line of its README after the title."""
    found = {}
    for folder in sorted(files.packaged("examples").iterdir()):
        if (folder / "burst.yaml").is_file():
            lines = [line for line in (folder / "README.md").read_text(encoding="utf-8").splitlines() if line.strip()]
            found[folder.name] = next((line for line in lines if not line.startswith("#")), "")
    return found


def copy_template(name: str, into: Path) -> list[Path]:
    """Copy a template's files; nothing that stands there is written over. Raises Invalid."""
    known = templates()
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

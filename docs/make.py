"""Writes the pages that are made from the program itself: `python docs/make.py`; `--check` only names what is stale."""

from __future__ import annotations

import ast
import inspect
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import click
from pydantic import BaseModel
from pydantic.fields import FieldInfo

import provisioner
from provisioner import units
from provisioner.catalog.filesystems import SERVICES, hourly, shown
from provisioner.cli.main import COMMANDS, burst
from provisioner.design.rules import RULES
from provisioner.errors import EXIT_MEANINGS
from provisioner.report.receipt import Receipt
from provisioner.spec.fields import ARRAY_PATTERN, NAME_PATTERN
from provisioner.spec.model import Spec, TargetRef
from provisioner.stack.outputs import OUTPUTS
from provisioner.targets.aws import checks as aws_checks
from provisioner.targets.aws import faults as aws_faults
from provisioner.targets.azure import checks as azure_checks
from provisioner.targets.azure import faults as azure_faults
from provisioner.targets.checks import NAMES
from provisioner.targets.cloud import checks as cloud_checks
from provisioner.targets.cloud.faults import DONE
from provisioner.targets.gcp import checks as gcp_checks
from provisioner.targets.gcp import faults as gcp_faults
from provisioner.targets.local import checks as local_checks
from provisioner.targets.nspawn import checks as nspawn_checks

DOCS = Path(__file__).resolve().parent
MADE = "<!-- Made by docs/make.py; change the source, then: make docs -->\n\n"
FAULTS = {"aws": aws_faults, "gcp": gcp_faults, "azure": azure_faults}
# How a pattern of the schema is called, and how its value is written back as text.
WORDS: dict[str, tuple[str, Callable[[Any], str]]] = {
    NAME_PATTERN: ("name", str),
    ARRAY_PATTERN: ("array indexes, `0-99%4`", str),
    units.SIZE_PATTERN: ("size, `50GiB`", units.show_size),
    units.DURATION_PATTERN: ("time, `2h`", units.show_duration),
    units.MONEY_PATTERN: ("amount, `25 USD`", str),
    "^/[^/]": ("mount point", str),
}
SIMPLE = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false"}


def models(kind: Any) -> Iterator[type[BaseModel]]:
    """The parts of the file below `kind`, in the order in which the file has them; a target is written as text."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        if kind is not TargetRef:
            yield kind
            for field in kind.model_fields.values():
                yield from models(field.annotation)
    else:
        for inner in get_args(kind):
            yield from models(inner)


def written(schema: dict[str, Any]) -> str:
    """A JSON Schema in words."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return "`error`, `warning` or `info`" if name == "Level" else f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(written(option) for option in schema["anyOf"] if option.get("type") != "null"))
    if "enum" in schema or "const" in schema:
        return " or ".join(f"`{value}`" for value in schema.get("enum", [schema.get("const")]))
    if schema.get("pattern") in WORDS:
        return WORDS[schema["pattern"]][0]
    if schema["type"] == "array":
        inner = written(schema["items"])
        return f"list of ({inner})" if " or " in inner else f"list of {inner}"
    if "patternProperties" in schema:
        return "; ".join(f"{WORDS[key][0]}: {written(value)}" for key, value in schema["patternProperties"].items())
    if "properties" in schema:
        return f"{{{', '.join(schema['properties'])}}}"
    if isinstance(schema.get("additionalProperties"), dict):
        inner = schema["additionalProperties"]
        return f"name: {written(inner)}" if "$ref" in inner else "variable: text or number"
    bounds = f", {schema['minimum']} to {schema['maximum']}" if "maximum" in schema else ""
    return SIMPLE[schema["type"]] + bounds


def default(field: FieldInfo, schema: dict[str, Any]) -> str:
    """What holds where the file says nothing, as the file would say it."""
    if field.is_required():
        return "**required**"
    value = field.default
    if isinstance(value, BaseModel):
        return "its own defaults"
    if value in (None, (), {}):
        return ""
    if isinstance(value, tuple):
        return ", ".join(f"`{item}`" for item in value)
    text = WORDS.get(schema.get("pattern", ""), ("", str))[1](value)
    return f"`{text.lower() if isinstance(value, bool) else text}`"


def row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |\n"


def part(kind: type[BaseModel], *, defaults: bool) -> str:
    """One model: what it is, and a table of its keys; a column that would be empty is left out."""
    schema = kind.model_json_schema(mode="validation")["properties"]
    told = any(field.description for field in kind.model_fields.values())
    titles = ["key", "written as", *(["default"] if defaults else []), *(["what it is"] if told else [])]
    about = inspect.cleandoc(kind.__doc__ or "").replace("DIR/<job>", "`DIR/JOB`")
    text = f"## {kind.__name__}\n\n{about}\n\n" + row(*titles) + row(*["---"] * len(titles))
    for key, field in kind.model_fields.items():
        middle = [default(field, schema[key])] if defaults else []
        text += row(f"`{key}`", written(schema[key]), *middle, *([field.description or ""] if told else []))
    return text + "\n"


def file_page() -> str:
    kinds = dict.fromkeys(models(Spec))
    return (DOCS / "file.head.md").read_text() + "\n" + "".join(part(kind, defaults=True) for kind in kinds)


def exit_codes_page() -> str:
    head = "# Exit codes\n\nFrozen: a number is never given a second meaning (provisioner/errors.py).\n\n"
    rows = "".join(row(f"`{int(code)}`", meaning) for code, meaning in EXIT_MEANINGS.items())
    tail = "\nWhere several are true, the first of: 7, 130, what stopped the run early, 5, 6.\n"
    return head + row("code", "meaning") + row("---", "---") + rows + tail


def receipt_page() -> str:
    example = (DOCS / "receipt.example.json").read_text()
    Receipt.model_validate_json(example)  # an example that is no receipt any more stops here
    tables = "".join(part(kind, defaults=False) for kind in dict.fromkeys(models(Receipt)))
    about = "## An example\n\nOf examples/hello, shortened to one job.\n\n"
    return f"{(DOCS / 'receipt.head.md').read_text()}\n{tables}{about}```json\n{example}```\n"


def commands_page() -> str:
    text, parent = "# Commands\n\n", click.Context(burst, info_name="burst", **burst.context_settings)
    for name in COMMANDS:
        command = burst.get_command(parent, name)
        assert command is not None
        context = click.Context(command, parent, name, max_content_width=100, terminal_width=100)
        text += f"## {name}\n\n```text\n{command.get_help(context)}\n```\n\n"
        for part in command.commands.values() if isinstance(command, click.Group) else ():
            inner = click.Context(part, context, part.name, max_content_width=100, terminal_width=100)
            text += f"```text\n{part.get_help(inner)}\n```\n\n"
    return text


# The parts of docs/nothing-left.json (tests/nothing_left.py), and what their tests are.
MEASURED = {
    "steps": (
        "Each step of the journal × signal",
        "`tests/e2e/test_killed.py`, `tests/machines/test_nspawn_killed.py`, `tests/engine/test_matrix.py`",
    ),
    "signals": ("Two signals and more", "the same"),
    "faults": ("Each class of refusal × each kind of thing", "`tests/stacks`, `tests/unit`"),
    "cuts": ("A cut after each thing that the program makes", "`tests/stacks`"),
    "plain": (
        "The same program with Pulumi alone, then `pulumi cancel`, `refresh --clear-pending-creates`, `destroy`",
        "`tests/engine/test_matrix.py`",
    ),
}


def nothing_left_page() -> str:
    """Its text, and a table for each part of what was measured. What differs only after " | " is one row."""
    rows = json.loads((DOCS / "nothing-left.json").read_text())
    text = (DOCS / "nothing-left.in.md").read_text().rstrip() + "\n"
    for key, (title, tests) in MEASURED.items():
        grouped: dict[tuple[str, str], list[dict[str, Any]]] = {}
        for each in (each for each in rows if each["part"] == key):
            grouped.setdefault((each["where"], each["what"].partition(" | ")[0]), []).append(each)
        if grouped:
            head = (
                row("where", "what was done", "cases", "left", "of other runs gone", "outputs lost")
                + "|---|---|---|---|---|---|\n"
            )
            cells = [
                row(*names, *(_sum(some, name) for name in ("cases", "left", "others", "lost")))
                for names, some in grouped.items()
            ]
            text += f"\n### {title}\n\n{tests}\n\n{head}{''.join(cells)}"
    return text


def _sum(rows: list[dict[str, Any]], name: str) -> str:
    numbers = [each[name] for each in rows]
    return "not looked at" if None in numbers else str(sum(numbers))


def stacks_page() -> str:
    tables = {"configuration": configuration(), "outputs": outputs(), "sizes": sizes()}
    text = (DOCS / "stacks.in.md").read_text()
    for mark, table in tables.items():
        assert f"@{mark}@" in text
        text = text.replace(f"@{mark}@", table.rstrip())
    return text


def configuration() -> str:
    """The table in given.py's docstring, which needs Pulumi to be imported."""
    given = (Path(provisioner.__path__[0]) / "stack/given.py").read_text(encoding="utf-8")
    return "".join(f"{line}\n" for line in (ast.get_docstring(ast.parse(given)) or "").splitlines() if line.startswith("|"))


def outputs() -> str:
    return row("output", "what it is") + row("---", "---") + "".join(row(f"`{key}`", about) for key, about in OUTPUTS.items())


def sizes() -> str:
    text = row("cloud", "`type`", "service", "sizes", "the least, by the hour") + row(*["---"] * 5)
    for (cloud, kind), service in SERVICES.items():
        least = service.ranges[0].least
        cost = f"{shown(least)}: {hourly(cloud, service, least):.2f} USD"
        text += row(cloud, f"`{kind}`", service.name, service.said, cost)
    return text


def faults_page() -> str:
    """Meaning × what is done; then each meaning's codes by cloud and source."""
    text = (DOCS / "faults.head.md").read_text() + "\n"
    text += row("class", "making and launching", "deleting", "listing") + row(*["---"] * 4)
    text += "".join(row(f"`{meaning}`", *done) for meaning, done in DONE.items())
    for meaning in DONE:
        text += f"\n## {meaning}\n\n" + row("cloud", "code", "source") + row(*["---"] * 3)
        for cloud, faults in FAULTS.items():
            for codes in faults.TABLE:
                if codes.meaning == meaning:
                    text += row(cloud, ", ".join(f"`{code}`" for code in codes.codes.split()), codes.source)
    return text


# Where a check is asked (targets/*/checks.py); on every cloud those of targets/cloud come beside its own.
CHECKS: dict[str, tuple[tuple[str, Any], ...]] = {
    "AWS": (*cloud_checks.CHECKS, *aws_checks.CHECKS),
    "Google Cloud": (*cloud_checks.CHECKS, *gcp_checks.CHECKS),
    "Azure": (*cloud_checks.CHECKS, *azure_checks.CHECKS),
    "`local`": local_checks.CHECKS,
    "`nspawn`": nspawn_checks.CHECKS,
}


def preflight_page() -> str:
    """Checks × places; then the rules of a design, whose code is their name."""
    tables = {"checks": checked(), "rules": ruled()}
    text = (DOCS / "preflight.in.md").read_text()
    for mark, table in tables.items():
        assert f"@{mark}@" in text
        text = text.replace(f"@{mark}@", table.rstrip())
    return text


def checked() -> str:
    asked = {place: {name for name, _ in checks} for place, checks in CHECKS.items()}
    text = row("name", "what is looked at", *asked) + row(*["---"] * (2 + len(asked)))
    for name, about in NAMES.items():
        # Whoever is asked must know first who asks: it comes with the session, and is no check beside others.
        everywhere = name == "credentials"
        marks = ["yes" if name in names or (everywhere and "`" not in place) else "" for place, names in asked.items()]
        text += row(f"`{name}`", about, *marks)
    return text


def ruled() -> str:
    text = row("name", "what must be so", "on the cloud itself") + row(*["---"] * 3)
    for code, (rule, say) in RULES.items():
        text += row(f"`{code}`", inspect.cleandoc(rule.__doc__ or "").partition("\n\n")[0], say("", "", "").level.value)
    return text


PAGES = {
    "preflight.md": preflight_page,
    "file.md": file_page,
    "exit-codes.md": exit_codes_page,
    "faults.md": faults_page,
    "receipt.md": receipt_page,
    "commands.md": commands_page,
    "stacks.md": stacks_page,
    "nothing-left.md": nothing_left_page,
}


def main() -> int:
    check = "--check" in sys.argv[1:]
    made = {DOCS / name: MADE + page().rstrip() + "\n" for name, page in PAGES.items()}
    stale = [path for path, text in made.items() if not path.exists() or path.read_text() != text]
    for path in stale:
        if not check:
            path.write_text(made[path])
        sys.stdout.write(f"docs/{path.name} {'is stale: make docs' if check else 'is written'}\n")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())

"""Pages that are made from the program, and what they are made from."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import provisioner
from provisioner import files
from provisioner.design.rules import RULES
from provisioner.lifecycle.papers import stacks
from provisioner.stack.outputs import OUTPUTS
from provisioner.targets.aws import checks as aws_checks
from provisioner.targets.azure import checks as azure_checks
from provisioner.targets.checks import NAMES
from provisioner.targets.cloud import checks as cloud_checks
from provisioner.targets.gcp import checks as gcp_checks
from provisioner.targets.local import checks as local_checks
from provisioner.targets.nspawn import checks as nspawn_checks

ROOT = Path(provisioner.__path__[0]).parent


def test_every_key_that_a_stack_reads_is_in_the_table() -> None:
    source = (ROOT / "provisioner/stack/given.py").read_text()
    table = set(re.findall(r"^\| `(\w+)`", ast.get_docstring(ast.parse(source)) or "", re.MULTILINE))
    read = set(re.findall(r'config\.(?:get|get_secret|require|require_secret)\("(\w+)"\)', source))
    assert read == table
    page = (ROOT / "docs/stacks.md").read_text()
    assert all(f"| `{key}` |" in page for key in (*table, *OUTPUTS))


def test_what_readmes_tell_to_set_and_read_is_known() -> None:
    source = (ROOT / "provisioner/stack/given.py").read_text()
    known = set(re.findall(r'config\.(?:get|get_secret)\("(\w+)"\)', source))
    texts = [(ROOT / "docs/stacks.in.md").read_text(), (files.packaged("stacks") / "README.md.in").read_text()]
    texts += ["\n".join(cloud.end_nodes) for cloud in stacks.CLOUDS.values()]
    for text in texts:
        assert set(re.findall(r"burst:([a-z_]+)\b(?!`s)", text)) <= known
        assert set(re.findall(r"pulumi stack output ([a-z_]+)", text)) <= OUTPUTS.keys()


def test_links_of_the_pages_lead_somewhere() -> None:
    for page in (
        "README.md",
        "docs/catalogue.md",
        "docs/stacks.md",
        "docs/preflight.md",
        "docs/clouds.md",
        "docs/clouds/aws.md",
        "docs/clouds/gcp.md",
        "docs/clouds/azure.md",
    ):
        for link in re.findall(r"\]\(((?!https?:)[^)#]+)", (ROOT / page).read_text()):
            assert ((ROOT / page).parent / link).exists(), f"{page}: {link}"


def _made() -> dict[str, set[str]]:
    """Place → the names of the checks that its page tells of."""
    lines = (ROOT / "docs/preflight.md").read_text().split("## By the file alone")[0].splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| ")]
    return {place: {row[0].strip("`") for row in rows[2:] if row[i] == "yes"} for i, place in enumerate(rows[0]) if i > 1}


def test_each_check_has_a_name_and_each_name_a_place_that_asks() -> None:
    """`credentials` comes with the session, before anything is asked (targets/cloud/target.py)."""
    own = {
        "AWS": (*cloud_checks.CHECKS, *aws_checks.CHECKS),
        "Google Cloud": (*cloud_checks.CHECKS, *gcp_checks.CHECKS),
        "Azure": (*cloud_checks.CHECKS, *azure_checks.CHECKS),
        "`local`": local_checks.CHECKS,
        "`nspawn`": nspawn_checks.CHECKS,
    }
    asked = {place: {name for name, _ in checks} for place, checks in own.items()}
    used = {"credentials"}.union(*asked.values())
    assert used == NAMES.keys()
    clouds = {place: {"credentials"} if "`" not in place else set() for place in own}
    assert _made() == {place: names | clouds[place] for place, names in asked.items()}, "make docs"


def test_each_rule_of_a_design_is_told() -> None:
    page = (ROOT / "docs/preflight.md").read_text().split("## By the file alone")[1]
    assert set(re.findall(r"^\| `([\w-]+)`", page, re.MULTILINE)) == RULES.keys()
    assert all(rule.__doc__ for rule, _ in RULES.values())

"""Pages that are made from the program, and what they are made from."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import provisioner
from provisioner import files
from provisioner.lifecycle.papers import stacks
from provisioner.stack.outputs import OUTPUTS

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
        "docs/stacks.md",
        "docs/clouds.md",
        "docs/clouds/aws.md",
        "docs/clouds/gcp.md",
        "docs/clouds/azure.md",
    ):
        for link in re.findall(r"\]\(((?!https?:)[^)#]+)", (ROOT / page).read_text()):
            assert ((ROOT / page).parent / link).exists(), f"{page}: {link}"

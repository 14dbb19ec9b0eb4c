"""Stage in and submit: what is brought there, and what sbatch is told."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from making import design, write
from standing_in import FolderExecutor

from provisioner.design.model import Design
from provisioner.errors import Invalid, Kind, NotCreated
from provisioner.events import Event, Events
from provisioner.executor.process import CommandFailed, Completed
from provisioner.jobs.stage import stage_in
from provisioner.jobs.submit import submit_all

HEAD = "version: 1\nname: a\ngroups: {cpu: {nodes: 2}}\njobs:\n"


class Head(FolderExecutor):
    """Keeps what was run; sbatch answers with the next number, and refuses the jobs in `refused`."""

    def __init__(self, *refused: str) -> None:
        super().__init__()
        self.ran: list[tuple[list[str], str | None, dict[str, str]]] = []
        self._refused = refused

    def run(self, argv: Sequence[str], **known: Any) -> Completed:
        if argv[0] == "mkdir":
            for path in argv[3:]:
                Path(path).mkdir(parents=True)
            return Completed(tuple(argv), 0, "", "")
        env = dict(known["env"])
        if env["BURST_JOB"] in self._refused:
            raise CommandFailed(argv, 1, "", "sbatch: error: Requested node configuration is not available")
        self.ran.append((list(argv), known["cwd"], env))
        return Completed(tuple(argv), 0, f"{100 + len(self.ran)};cluster\n", "")


def submitted(head: Head, decided: Design) -> tuple[dict[str, int], dict[str, str], list[Event]]:
    told: list[Event] = []
    done, refused = submit_all(head, decided, "/work", Events("a", [told.append]), {})
    return {name: job.slurm_id for name, job in done.items()}, {name: problem.why for name, problem in refused.items()}, told


def test_a_script_and_a_command() -> None:
    head = Head()
    text = "  melt: {script: sub/melt.sh, nodes: 2, env: {A: x y}}\n  plot: {command: 'python3 plot.py > log', needs: melt}\n"
    assert submitted(head, design(HEAD + text))[0] == {"melt": 101, "plot": 102}
    (melt, cwd, env), (plot, _, _) = head.ran
    assert melt == ["sbatch", "--parsable", "--partition=cpu", "--nodes=2", "./sub/melt.sh"]
    assert (cwd, env) == ("/work/melt", {"BURST_JOB": "melt", "BURST_WORKDIR": "/work", "A": "x y"})
    assert plot[2:] == [
        "--partition=cpu",
        "--dependency=afterok:101",
        "--kill-on-invalid-dep=yes",
        "--job-name=plot",
    ]


def test_a_refused_job_takes_along_what_needs_it_and_nothing_else() -> None:
    needs = {"bad": "[]", "child": "bad", "grandchild": "child", "good": "[]"}
    text = "".join(f"  {name}: {{command: ls, needs: {need}}}\n" for name, need in needs.items())
    done, refused, told = submitted(Head("bad"), design(HEAD + text))
    assert set(done) == {"good"}
    assert refused == {
        "bad": "sbatch: error: Requested node configuration is not available",
        "child": "it needs bad, which was not either",
        "grandchild": "it needs child, which was not either",
    }
    assert [event.data["job"] for event in told if event.kind == "job.refused"] == ["bad", "child", "grandchild"]


def test_the_journal_has_a_submit_before_it_is_made() -> None:
    head, seen = Head(), []
    sink = lambda event: seen.append((event.kind, len(head.ran)))  # noqa: E731
    submit_all(head, design(HEAD + "  a: {command: ls}\n"), "/work", Events("a", [sink]), {})
    assert seen == [("step", 0), ("job.submitted", 1)]


@pytest.fixture
def work(folder: Path) -> Path:
    for name in ("melt.sh", "in.lj", "data/a", "data/b"):
        write(folder, name, f"file/{name}")
    return folder


STAGED = design(HEAD + "  melt: {script: melt.sh, inputs: [in.lj, data, 'data/*']}\n  bare: {command: ls}\n")


def test_every_job_has_a_folder_with_its_files(work: Path) -> None:
    stage_in(Head(), STAGED, work / "file", str(work / "there"), Events("a", []))
    there = work / "there"
    assert {str(p.relative_to(there)) for p in there.rglob("*") if p.is_file()} == {
        "melt/melt.sh",
        "melt/in.lj",
        "melt/data/a",
        "melt/data/b",
    }
    assert (there / "bare").is_dir()


def test_an_input_that_has_gone(work: Path) -> None:
    (work / "file" / "in.lj").unlink()
    with pytest.raises(Invalid, match=r"jobs.melt.inputs: nothing matches 'in.lj'"):
        stage_in(Head(), STAGED, work / "file", str(work / "there"), Events("a", []))


def test_an_input_that_arrives_otherwise(work: Path) -> None:
    class Garbling(Head):
        def send(self, copies: Any) -> Any:
            sent = super().send(copies)
            Path(copies[1].there).write_text("garbled")
            return sent

    with pytest.raises(NotCreated, match="1 inputs did not arrive") as refused:
        stage_in(Garbling(), STAGED, work / "file", str(work / "there"), Events("a", []))
    assert (refused.value.why, refused.value.kind) == ("in.lj", Kind.TRANSIENT)

"""Collect: what a job promised is here, whole, in its place; or it is said what is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from making import task
from standing_in import FolderExecutor

from provisioner.design.model import Job, Output
from provisioner.findings import Level
from provisioner.jobs.collect import PARTIAL, Collected, collect
from provisioner.slurm.states import Task


@pytest.fixture
def head(folder: Path) -> Path:
    """The job's folder on the head."""
    (folder / "head" / "melt" / "dump").mkdir(parents=True)
    for name in ("log.lammps", "dump/0.xyz", "dump/1.xyz", "slurm-1.out"):
        (folder / "head" / "melt" / name).write_text(name)
    return folder / "head" / "melt"


@pytest.fixture
def results(folder: Path) -> Path:
    return folder / "results"


def job(*outputs: str | Output) -> Job:
    promised = tuple(o if isinstance(o, Output) else Output(path=o, optional=False) for o in outputs)
    plain: dict[str, Any] = {"script": None, "command": "ls", "needs": (), "options": (), "env": {}, "inputs": ()}
    return Job(name="melt", group="cpu", outputs=promised, **plain)


def brought(executor: FolderExecutor, wanted: Job, head: Path, results: Path, *tasks: Task) -> Collected:
    return collect(executor, wanted, str(head), tasks, results)


def here(results: Path) -> set[str]:
    return {str(path.relative_to(results)) for path in results.rglob("*") if not path.is_dir() or path.is_symlink()}


def test_everything_promised_and_the_log(head: Path, results: Path) -> None:
    log = task(stdout=f"{head}/slurm-1.out", stderr=f"{head}/slurm-1.out")
    done = brought(FolderExecutor(), job("log.lammps", "dump/**"), head, results, log)
    assert {output.path for output in done.outputs} == {"log.lammps", "dump/0.xyz", "dump/1.xyz"}
    assert (done.logs, done.missing, done.findings) == (("slurm-1.out",), (), ())
    assert here(results) == {"melt/log.lammps", "melt/dump/0.xyz", "melt/dump/1.xyz", "melt/slurm-1.out"}
    assert (results / "melt" / "dump" / "0.xyz").read_text() == "dump/0.xyz"


def test_a_file_that_two_patterns_name_is_one_output(head: Path, results: Path) -> None:
    executor = FolderExecutor()
    done = brought(executor, job("**/*.xyz", "dump", "dump/0.xyz"), head, results)
    assert [output.path for output in done.outputs] == ["dump/0.xyz", "dump/1.xyz"]
    assert len(executor.fetches[0]) == 2


def test_logs_that_a_script_put_elsewhere_are_left_there(head: Path, results: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere.log").write_text("x")
    away = [task(stdout=path) for path in (str(tmp_path / "elsewhere.log"), f"{head}/../other/slurm.out", f"{head}-2/x", "")]
    done = brought(FolderExecutor(), job(), head, results, *away)
    assert (done.logs, here(results), (results / "melt").is_dir()) == ((), set(), True)


def test_what_is_missing_is_an_error_unless_it_is_optional(head: Path, results: Path) -> None:
    done = brought(FolderExecutor(), job("none.dat", Output(path="maybe.dat", optional=True), "log.lammps"), head, results)
    assert done.missing == ("none.dat",)
    (found,) = done.findings
    assert (found.level, found.code) == (Level.ERROR, "output")
    assert found.message == "melt: nothing matches the output 'none.dat'"
    assert [output.path for output in done.outputs] == ["log.lammps"]


def test_a_link_that_leads_out_is_refused_and_nothing_of_it_comes_here(head: Path, results: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s")
    (head / "dump" / "2.xyz").symlink_to(tmp_path / "secret")
    done = brought(FolderExecutor(), job("dump/**"), head, results)
    assert done.missing == ("dump/**",)
    (found,) = done.findings
    assert found.message == "melt: dump/2.xyz was not collected: it leads out of the job's folder"
    assert here(results) == {"melt/dump/0.xyz", "melt/dump/1.xyz"}


def test_an_optional_link_that_leads_out_is_a_warning(head: Path, results: Path) -> None:
    (head / "x").symlink_to("/etc/hostname")
    done = brought(FolderExecutor(), job(Output(path="x", optional=True)), head, results)
    assert [found.level for found in done.findings] == [Level.WARNING]
    assert done.missing == ()


def test_what_arrives_wrong_is_fetched_once_more(head: Path, results: Path) -> None:
    def first_time(path: Path, attempt: int) -> None:
        if attempt == 1 and path.name == "0.xyz":
            path.write_text("garbled")

    executor = FolderExecutor(first_time)
    done = brought(executor, job("dump/**"), head, results)
    assert executor.fetches == [[f"{head}/dump/0.xyz", f"{head}/dump/1.xyz"], [f"{head}/dump/0.xyz"]]
    assert (done.missing, done.findings) == ((), ())
    assert (results / "melt" / "dump" / "0.xyz").read_text() == "dump/0.xyz"


def test_what_grew_meanwhile_is_taken_as_it_is_now(head: Path, results: Path) -> None:
    def grows(path: Path, attempt: int) -> None:
        if attempt == 1:
            (head / "log.lammps").write_text("more of it")
            path.write_text("half of it")

    done = brought(FolderExecutor(grows), job("log.lammps"), head, results)
    assert [output.bytes for output in done.outputs] == [len("more of it")]
    assert done.findings == ()


def test_what_stays_wrong_is_said_and_not_put_in_place(head: Path, results: Path) -> None:
    def always(path: Path, attempt: int) -> None:
        if path.name == "0.xyz":
            path.write_text(f"garbled {attempt}")

    executor = FolderExecutor(always)
    done = brought(executor, job("dump/**"), head, results)
    assert len(executor.fetches) == 2
    assert done.missing == ("dump/**",)
    (found,) = done.findings
    assert found.message.startswith("melt: dump/0.xyz was not collected: its checksum differs")
    assert [output.path for output in done.outputs] == ["dump/1.xyz"]
    assert here(results) == {"melt/dump/1.xyz"}


def test_what_was_there_is_replaced_as_a_whole(head: Path, results: Path) -> None:
    (results / "melt" / "old").mkdir(parents=True)
    (results / "melt" / "old" / "file").write_text("of an earlier run")
    brought(FolderExecutor(), job("log.lammps"), head, results)
    assert here(results) == {"melt/log.lammps"}
    assert not (results / PARTIAL).exists()


@pytest.mark.parametrize("to", ["victim", "nowhere"])
def test_a_link_in_the_place_is_replaced_and_not_followed(head: Path, results: Path, folder: Path, to: str) -> None:
    (folder / "victim").mkdir()
    (folder / "victim" / "precious").write_text("p")
    results.mkdir()
    (results / "melt").symlink_to(folder / to)
    brought(FolderExecutor(), job("log.lammps"), head, results)
    assert (folder / "victim" / "precious").read_text() == "p"
    assert not (results / "melt").is_symlink()
    assert here(results) == {"melt/log.lammps"}


def test_what_an_earlier_attempt_left_half_done_is_thrown_away(head: Path, results: Path) -> None:
    (results / PARTIAL / "melt").mkdir(parents=True)
    (results / PARTIAL / "melt" / "stale").write_text("s")
    (results / PARTIAL / "melt.old").mkdir()
    brought(FolderExecutor(), job("log.lammps"), head, results)
    assert here(results) == {"melt/log.lammps"}


def test_until_all_is_here_the_place_has_what_it_had(head: Path, results: Path) -> None:
    (results / "melt").mkdir(parents=True)
    (results / "melt" / "old").write_text("o")

    def broken(path: Path, attempt: int) -> None:
        raise OSError("the line is down")

    with pytest.raises(OSError, match="line is down"):
        brought(FolderExecutor(broken), job("log.lammps"), head, results)
    assert (results / "melt" / "old").read_text() == "o"
    assert not (results / "melt" / "log.lammps").exists()


def test_a_folder_that_is_gone_is_missing_outputs(results: Path, folder: Path) -> None:
    done = brought(FolderExecutor(), job("log.lammps"), folder / "none", results)
    assert done.missing == ("log.lammps",)
    assert (results / "melt").is_dir()


def test_an_executable_stays_one(head: Path, results: Path) -> None:
    (head / "log.lammps").chmod(0o755)
    brought(FolderExecutor(), job("log.lammps"), head, results)
    assert (results / "melt" / "log.lammps").stat().st_mode & 0o777 == 0o755

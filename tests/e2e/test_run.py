"""burst run: one file in, results out, nothing left behind."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import sys
from pathlib import Path

import pytest

from tests.e2e.conftest import HELLO, Burst

pytestmark = pytest.mark.e2e


def test_a_run_brings_its_outputs_and_leaves_nothing(burst: Burst) -> None:
    burst.write({"burst.yaml": HELLO})
    receipt = burst.receipt("run", "--results", "out")
    assert receipt["status"] == "done"
    assert receipt["remains"] == []
    assert receipt["cost"] == {"estimated_usd": 0.0, "final_usd": 0.0, "limit_usd": None, "items": []}
    job = receipt["jobs"]["hello"]
    assert (job["state"], job["exit_code"], job["missing"]) == ("COMPLETED", 0, [])
    assert job["nodes"] == ["cpu-1"]
    content = (burst.folder / "out/hello/out.txt").read_bytes()
    assert content == b"hello\n"
    assert job["outputs"] == [{"path": "out.txt", "bytes": 6, "sha256": hashlib.sha256(content).hexdigest()}]
    assert [phase["name"] for phase in receipt["phases"]] == [
        *("preflight", "create", "ready", "stage", "jobs", "collect", "destroy"),
    ]
    assert json.loads((burst.folder / "out/receipt.json").read_text()) == receipt
    events = [json.loads(line) for line in (burst.folder / "out/events.jsonl").read_text().splitlines()]
    assert {event["run_id"] for event in events} == {receipt["run_id"]}
    assert burst.left() == []


def test_results_go_to_a_folder_of_the_run_by_default(burst: Burst) -> None:
    burst.write({"burst.yaml": HELLO})
    receipt = burst.receipt("run")
    assert (burst.folder / "results" / receipt["run_id"] / "hello" / "out.txt").is_file()


def test_an_sbatch_script_runs_unchanged(burst: Burst) -> None:
    script = """\
#!/bin/bash
#SBATCH --job-name="my job"
#SBATCH --output=log/%x-%j.txt
#SBATCH --nodes=2 --ntasks-per-node=1
#SBATCH --comment="nothing of this is burst's"
srun --label sh -c 'echo $SLURMD_NODENAME' | sort > nodes.txt
echo "$GREETING from $SLURM_JOB_NUM_NODES nodes"
"""
    file = HELLO.replace(
        '{command: "echo hello > out.txt", outputs: [out.txt]}',
        "{script: bin/work.sh, inputs: [log/.keep], env: {GREETING: grüezi, N: 3}, outputs: [nodes.txt, log/my*]}",
    )
    burst.write({"burst.yaml": file, "bin/work.sh": script, "log/.keep": ""})
    receipt = burst.receipt("run", "--results", "out")
    assert (burst.folder / "out/hello/nodes.txt").read_text().split() == ["0:", "cpu-1", "1:", "cpu-2"]
    log = f"log/my job-{receipt['jobs']['hello']['slurm_id']}.txt"
    assert (burst.folder / "out/hello" / log).read_text() == "grüezi from 2 nodes\n"
    assert log in receipt["jobs"]["hello"]["logs"]


NAMES = ["a b.txt", "-rf", "ünï.txt", "q'uo\"te", "new\nline", "[1]*?.txt", "sub dir/.hidden", "$HOME", "back\\slash"]


def test_files_of_any_name_go_there_and_back(burst: Burst) -> None:
    file = """\
version: 1
name: names
groups:
  cpu: {needs: {cores: 1}, nodes: 1}
jobs:
  copy: {command: "cp -a in out; chmod +x out/-rf", inputs: [in], outputs: ["out/**", "in/[1]*?.txt"]}
"""
    burst.write({"burst.yaml": file, **{f"in/{name}": f"this is {name}" for name in NAMES}})
    receipt = burst.receipt("run", "--results", "r")
    back = {output["path"] for output in receipt["jobs"]["copy"]["outputs"]}
    assert back == {f"out/{name}" for name in NAMES} | {"in/[1]*?.txt"}
    for name in NAMES:
        assert (burst.folder / "r/copy/out" / name).read_text() == f"this is {name}"
    assert stat.S_IMODE((burst.folder / "r/copy/out/-rf").stat().st_mode) & 0o100


def test_jobs_wait_for_what_they_need_and_find_it_beside_them(burst: Burst) -> None:
    file = """\
version: 1
name: chain
groups:
  cpu: {needs: {cores: 2}, nodes: 1}
jobs:
  last: {needs: [points], command: "cat ../points/p-* > all.txt", outputs: [all.txt]}
  points: {array: "1-4%2", command: "echo $SLURM_ARRAY_TASK_ID > p-$SLURM_ARRAY_TASK_ID", outputs: ["p-*"]}
"""
    burst.write({"burst.yaml": file})
    receipt = burst.receipt("run", "--results", "r")
    assert (burst.folder / "r/last/all.txt").read_text().split() == ["1", "2", "3", "4"]
    tasks = receipt["jobs"]["points"]["tasks"]
    assert [(task["index"], task["state"]) for task in tasks] == [(i, "COMPLETED") for i in range(1, 5)]


def test_a_job_that_fails(burst: Burst) -> None:
    file = """\
version: 1
name: fails
groups:
  cpu: {needs: {cores: 1}, nodes: 1}
jobs:
  bad: {command: "echo made > made.txt; echo the reason >&2; exit 3", outputs: [made.txt, never.txt]}
  after: {needs: [bad], command: "true"}
  apart: {command: "echo fine > fine.txt", outputs: [fine.txt]}
"""
    burst.write({"burst.yaml": file})
    done = burst("run", "--results", "r")
    assert done.returncode == 5
    assert "the reason" in done.stdout
    receipt = json.loads((burst.folder / "r/receipt.json").read_text())
    assert receipt["status"] == "job-failed"
    assert (receipt["jobs"]["bad"]["state"], receipt["jobs"]["bad"]["exit_code"]) == ("FAILED", 3)
    assert receipt["jobs"]["bad"]["log_tail"] == "the reason"
    assert receipt["jobs"]["bad"]["missing"] == ["never.txt"]
    assert (burst.folder / "r/bad/made.txt").read_text() == "made\n"
    assert receipt["jobs"]["after"]["state"] == "CANCELLED"
    assert (burst.folder / "r/apart/fine.txt").read_text() == "fine\n"
    assert burst.left() == []


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("true", "nothing matches"),
        ("ln -s /etc/passwd out.txt", "leads out of the job's folder"),
        ("ln -s nowhere out.txt", "points to nothing"),
        ("mkfifo out.txt", "not a file"),
    ],
)
def test_an_output_that_is_not_there(burst: Burst, command: str, why: str) -> None:
    burst.write({"burst.yaml": HELLO.replace("echo hello > out.txt", command)})
    receipt = burst.receipt("run", "--results", "r", expect=6)
    assert receipt["status"] == "outputs-missing"
    assert receipt["jobs"]["hello"]["missing"] == ["out.txt"]
    assert [finding for finding in receipt["findings"] if why in finding["message"]]
    assert not (burst.folder / "r/hello/out.txt").exists()
    assert burst.left() == []


def test_an_optional_output_may_be_missing(burst: Burst) -> None:
    burst.write({"burst.yaml": HELLO.replace("[out.txt]", "[out.txt, {path: 'core.*', optional: true}]")})
    assert burst.receipt("run")["jobs"]["hello"]["missing"] == []


def test_a_job_that_sbatch_refuses(burst: Burst) -> None:
    script = "#!/bin/sh\n#SBATCH --ntasks=500\ntrue\n"
    file = HELLO.replace(
        '{command: "echo hello > out.txt", outputs: [out.txt]}', "{script: big.sh}\n  after: {needs: hello, command: 'true'}"
    )
    burst.write({"burst.yaml": file, "big.sh": script})
    receipt = burst.receipt("run", expect=5)
    assert receipt["jobs"]["hello"]["state"] == "NOT_SUBMITTED"
    assert "More processors requested than permitted" in receipt["jobs"]["hello"]["reason"]
    assert receipt["jobs"]["after"]["state"] == "NOT_SUBMITTED"
    assert burst.left() == []


CLOUD = """\
version: 1
name: cloud
target: [aws/us-east-2, gcp/us-central1]
groups:
  cpu: {instance: [hpc7a.96xlarge, c7a.48xlarge], nodes: 2, spot: prefer}
  gpu: {needs: {gpus: 1, gpu: [L4]}, nodes: 1}
filesystems:
  /shared: {type: nfs, size: 200GiB}
  /scratch: {type: lustre, size: 1200GiB}
jobs:
  wide: {group: cpu, script: wide.sh, outputs: [tasks.txt]}
  gpu: {group: gpu, gpus: 1, needs: [wide], command: "cat /scratch/x > gpu.txt; echo $CUDA_VISIBLE_DEVICES >> gpu.txt", outputs: [gpu.txt]}
"""


def test_a_file_written_for_a_cloud_runs_unchanged(burst: Burst) -> None:
    script = "#!/bin/bash\n#SBATCH -N 2 --ntasks-per-node=96 --mem=300G\nscontrol show job $SLURM_JOB_ID > tasks.txt\necho there > /scratch/x\n"
    burst.write({"burst.yaml": CLOUD, "wide.sh": script})
    receipt = burst.receipt("run", "-t", "local", "--results", "r")
    assert "NumCPUs=192" in (burst.folder / "r/wide/tasks.txt").read_text()
    assert (burst.folder / "r/gpu/gpu.txt").read_text().split() == ["there", "0"]
    codes = {finding["code"] for finding in receipt["findings"]}
    assert {"oversubscribed", "gpus"} <= codes
    assert not Path("/scratch").exists()


def test_where_nothing_can_be_mounted_jobs_find_the_folder_in_a_variable(burst: Burst) -> None:
    """As on a machine without bubblewrap, or one that forbids user namespaces."""
    without = "from provisioner.targets.local import mounts; mounts.usable = lambda: False; from provisioner.cli.main import main; main()"
    command = "[ ! -e /shared ] && echo there > $BURST_SHARED/x && cat $BURST_SHARED/x > out.txt"
    burst.write({"burst.yaml": HELLO.replace("echo hello > out.txt", command) + "filesystems: {/shared: {size: 1GiB}}\n"})
    process = burst.start("-c", without, "run", "--results", "r", program=(sys.executable,))
    out, err = process.communicate(timeout=100)
    assert process.returncode == 0, out + err
    assert "/shared as $BURST_SHARED" in err
    assert (burst.folder / "r/hello/out.txt").read_text() == "there\n"
    assert burst.left() == []


def test_what_cannot_run_here_is_refused_before_anything_exists(burst: Burst) -> None:
    file = HELLO.replace(
        "nodes: 2}", "nodes: 5000}\nsoftware: {packages: [no-such-package-x]}\nfilesystems:\n  /data: {type: lustre, id: fs-123}"
    )
    burst.write({"burst.yaml": file})
    done = burst("run")
    assert done.returncode == 3
    for told in ("5000 nodes", "no-such-package-x", "fs-123", "apt-get install"):
        assert told in done.stderr
    assert burst.left() == []
    assert not (burst.folder / "results").exists()


def test_a_cloud_without_credentials_is_refused_with_the_command_that_gets_them(burst: Burst) -> None:
    burst.write({"burst.yaml": CLOUD, "wide.sh": "#!/bin/sh\n"})
    burst.env |= {"HOME": str(burst.folder), "AWS_EC2_METADATA_DISABLED": "true"}
    for name in [name for name in burst.env if name.startswith("AWS_") and name != "AWS_EC2_METADATA_DISABLED"]:
        del burst.env[name]
    done = burst("run")
    assert done.returncode == 3
    assert "error: AWS does not know who asks" in done.stderr
    assert "aws sso login" in done.stderr
    assert "nothing was created" in done.stderr
    assert burst("list").stdout == "no runs\n"


def test_the_setup_script_runs_and_its_failure_is_told(burst: Burst) -> None:
    file = HELLO.replace("jobs:", "software: {setup: setup.sh}\njobs:")
    burst.write({"burst.yaml": file, "setup.sh": "#!/bin/sh\necho made a mess\nexit 9\n"})
    done = burst("run")
    assert done.returncode == 4
    assert "made a mess" in done.stdout
    assert burst.left() == []
    burst.write({"setup.sh": "#!/bin/sh\necho $BURST_TARGET > ready\n"})
    assert burst("run").returncode == 0
    assert (burst.folder / "ready").read_text() == "local\n"


def test_ten_thousand_small_files_and_one_of_two_gib(burst: Burst) -> None:
    file = """\
version: 1
name: bulk
groups:
  cpu: {needs: {cores: 1}, nodes: 1}
jobs:
  bulk: {command: "mv in out && head -c 2147483648 /dev/zero > big.bin", inputs: [in], outputs: [out, big.bin]}
"""
    burst.write({"burst.yaml": file, **{f"in/{i % 100:02}/{i}.txt": f"{i}" for i in range(10_000)}})
    receipt = burst.receipt("run", "--results", "r")
    outputs = {output["path"]: output for output in receipt["jobs"]["bulk"]["outputs"]}
    assert len(outputs) == 10_001
    assert os.stat(burst.folder / "r/bulk/big.bin").st_size == 2**31
    # The digest of 2 GiB of zeros, by sha256sum(1).
    assert outputs["big.bin"]["sha256"] == "a7c744c13cc101ed66c29f672f92455547889cc586ce6d44fe76ae824958ea51"
    assert {(burst.folder / "r/bulk" / path).read_text() for path in outputs if path != "big.bin"} == {
        str(i) for i in range(10_000)
    }


def test_a_job_gets_a_login_s_environment_and_not_the_caller_s(burst: Burst) -> None:
    burst.env["AWS_SECRET_ACCESS_KEY"] = "not for jobs"
    burst.write({"burst.yaml": HELLO.replace("echo hello > out.txt", "env > out.txt")})
    burst.receipt("run", "--results", "r")
    told = (burst.folder / "r/hello/out.txt").read_text()
    assert "not for jobs" not in told
    assert "BURST_JOB=hello\n" in told


def test_two_runs_at_once_do_not_disturb_each_other(burst: Burst) -> None:
    burst.write(
        {"burst.yaml": HELLO.replace("echo hello > out.txt", "sleep 1; hostname > out.txt; echo $SLURM_CLUSTER_NAME >> out.txt")}
    )
    both = [burst.start("run", "--results", name, "-o", "json") for name in ("one", "two", "three")]
    for process in both:
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        receipt = json.loads(out)
        told = (burst.folder / receipt["results"] / "hello/out.txt").read_text().split()[-1]
        assert told == receipt["run_id"]
    assert burst.left() == []

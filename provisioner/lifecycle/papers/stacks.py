"""The Pulumi programs of stacks/ as projects of the user's own: the program, a README with what to type, a burst.yaml."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from provisioner import files
from provisioner.catalog.regions import REGIONS
from provisioner.errors import Invalid
from provisioner.spec.fields import NAME_PATTERN


@dataclass(frozen=True)
class Cloud:
    """What a README says that no other cloud's does. `end_nodes` ends machines by tag; the run's id is in $RUN."""

    place: str
    login: str
    configure: tuple[str, ...]
    end_nodes: tuple[str, ...]


CLOUDS: dict[str, Cloud] = {
    "aws": Cloud(
        place="AWS",
        login="aws sts get-caller-identity                     # if it fails: aws configure sso",
        configure=("pulumi config set aws:region @REGION@",),
        end_nodes=(
            "RUN=$(pulumi stack output run_id)",
            "aws ec2 terminate-instances --instance-ids $(aws ec2 describe-instances --filters Name=tag:burst-run,Values=$RUN \\",
            "    --query 'Reservations[].Instances[].InstanceId' --output text)",
        ),
    ),
    "gcp": Cloud(
        place="Google Cloud",
        login="gcloud auth application-default login",
        configure=(
            "pulumi config set gcp:project $(gcloud config get-value project)",
            "pulumi config set gcp:region @REGION@",
        ),
        end_nodes=(
            "RUN=$(pulumi stack output run_id)",
            "gcloud compute instances list --filter=labels.burst-run=$RUN --uri |",
            "    xargs -r gcloud compute instances delete --quiet",
        ),
    ),
    "azure": Cloud(
        place="Azure",
        login="az login",
        configure=(
            "pulumi config set azure-native:location @REGION@",
            "pulumi config set azure-native:subscriptionId $(az account show --query id --output tsv)",
        ),
        end_nodes=(
            "RUN=$(pulumi stack output run_id)",
            'az vm list --query "[?tags.\\"burst-run\\"==\'$RUN\'].id" --output tsv | xargs -r az vm delete --yes --ids',
        ),
    ),
}
# What lies there after a run, or is made by Python.
_LEFT_OUT = ("__pycache__", "*.pyc", "Pulumi.*.yaml", "venv", ".venv")


def stacks() -> dict[str, str]:
    """Name → its one line: the description in its Pulumi.yaml."""
    found = {}
    for name in CLOUDS:
        project = files.packaged("stacks") / name / "Pulumi.yaml"
        if project.is_file():
            line = re.search(r"^description: *(.+)$", project.read_text(encoding="utf-8"), re.MULTILINE)
            found[name] = line[1].strip("\"'") if line else ""
    return found


def export(cloud: str, into: Path) -> list[Path]:
    """Write the project to `into`, which must be empty or not there. Raises Invalid."""
    if into.exists() and (not into.is_dir() or any(into.iterdir())):
        fix = f"burst template export {cloud} another-folder"
        raise Invalid(f"{into} is already there", why="nothing is written over", fix=fix)
    shutil.copytree(
        files.packaged("stacks") / cloud,
        into,
        dirs_exist_ok=True,
        ignore=shutil.ignore_patterns(*_LEFT_OUT),
        copy_function=shutil.copy,
    )
    known, name = CLOUDS[cloud], _name(into)
    marks = {
        "NAME": name,
        "CLOUD": cloud,
        "PLACE": known.place,
        "LOGIN": known.login,
        "CONFIGURE": "\n    ".join(known.configure),
        "END_NODES": "\n".join(f"    {line}" for line in known.end_nodes),
        "TARGET": f"{cloud}/{REGIONS[cloud]}",
        "REGION": REGIONS[cloud],
    }
    for file in ("README.md", "burst.yaml"):
        text = (files.packaged("stacks") / f"{file}.in").read_text(encoding="utf-8")
        for mark, value in marks.items():
            text = text.replace(f"@{mark}@", value)
        files.write(into / file, text)
    files.write(into / ".gitignore", "keys/\n__pycache__/\n")
    project = (into / "Pulumi.yaml").read_text(encoding="utf-8")
    files.write(into / "Pulumi.yaml", re.sub(r"^name: .*$", f"name: {name}", project, count=1, flags=re.MULTILINE))
    return sorted(Path(folder) / file for folder, _, names in os.walk(into) for file in names)


def _name(into: Path) -> str:
    """The project's and the cluster's name: the folder's, where that can be one."""
    near = re.sub(r"[^a-z0-9]+", "-", into.resolve().name.lower()).strip("-")[:20].strip("-")
    return near if re.fullmatch(NAME_PATTERN, near) else "mycluster"

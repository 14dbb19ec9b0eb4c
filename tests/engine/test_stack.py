"""One stack from `up` to nothing, seen from the cloud's side and from the files that are left."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from provisioner.errors import Kind, Leftover, NotCreated, Refused
from provisioner.targets.cloud import installation
from provisioner.targets.cloud.layout import backend_folder
from tests.engine.driving import KEY, RUN, Around, until

MACHINES = [f"{RUN}-{name}" for name in ("one", "two", "three")]
WORDS = (
    "creating EC2 VPC: operation error EC2: CreateVpc, api error VpcLimitExceeded: The maximum number of VPCs has been reached."
)


def files_of(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_up_tells_each_resource_and_answers_plain_values(around: Around) -> None:
    outputs, told = around.create()
    assert outputs == {
        "network": f"{RUN}-vpc-id",
        "address": f"of {RUN}-head",
        "machines": [f"{name}-id" for name in MACHINES],
        "run_id": RUN,
    }
    assert sorted(around.ledger.left().values()) == sorted([f"{RUN}-vpc", f"{RUN}-head", *MACHINES])
    assert {event.kind for event in told} == {"resource", "step"}
    made = [event for event in told if event.kind == "resource"]
    # Each is an intent in the journal before it is there.
    intents = [event for event in told if event.data.get("step") == "make"]
    for events in (intents, made):
        assert sorted(event.data["name"] for event in events) == sorted([f"{RUN}-vpc", f"{RUN}-head", *MACHINES])
    first = made[0]
    assert first.message == f"aws:ec2/vpc:Vpc {RUN}-vpc created {first.data['seconds']}s"
    around.destroy()


def test_destroy_leaves_nothing_and_may_be_repeated(around: Around) -> None:
    around.create()
    around.destroy()
    assert around.ledger.left() == {}
    assert [name for name in files_of(backend_folder()) if RUN in name] == []
    around.destroy()
    # The user's own Pulumi is as it was: no login, no stack selected.
    assert files_of(around.home) == {}


def test_destroy_where_there_is_no_stack(around: Around) -> None:
    around.destroy()
    around.engine()._prepare()
    around.destroy()
    assert around.ledger.entries() == []


def test_secrets_are_in_no_file_and_in_no_arguments(around: Around) -> None:
    around.order(delay=0.3)
    client, arguments = around.client("create"), set[str]()

    def ended() -> bool:
        arguments.update(around.processes().values())
        return client.poll() is not None

    until(ended)
    out, err = client.communicate()
    assert client.returncode == 0, err
    assert any("config set burst:keys --secret" in line for line in arguments)
    assert [line for line in arguments if KEY in line] == []
    # It arrived, all the same: the provider was given it, and only it.
    kept = files_of(around.data)
    assert any('"userData"' in text for name, text in kept.items() if name.endswith(f"stacks/burst-tests/{RUN}.json"))
    assert [name for name, text in kept.items() if KEY in text] == []
    assert KEY not in out + err
    around.destroy()


def test_the_passphrase_and_the_folders_are_for_nobody_else(around: Around) -> None:
    around.create()
    assert stat.S_IMODE(around.layout.passphrase.stat().st_mode) == 0o600
    assert stat.S_IMODE(around.layout.backend.stat().st_mode) == 0o600
    assert stat.S_IMODE(backend_folder().stat().st_mode) == 0o700
    around.destroy()


def test_another_passphrase_in_the_environment_changes_nothing(around: Around, monkeypatch: pytest.MonkeyPatch) -> None:
    around.create()
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "somebody's")
    around.destroy()
    assert around.ledger.left() == {}


def test_another_backend_is_used_and_remembered(around: Around, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = around.root / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.setenv("PULUMI_BACKEND_URL", elsewhere.as_uri())
    around.create()
    assert not backend_folder().exists()
    assert (elsewhere / f".pulumi/stacks/burst-tests/{RUN}.json").is_file()
    # Whoever ends the run need not have it in their environment.
    monkeypatch.delenv("PULUMI_BACKEND_URL")
    around.destroy()
    assert around.ledger.left() == {}
    assert [name for name in files_of(elsewhere) if RUN in name] == []


def test_a_provider_says_no_in_its_own_words(around: Around) -> None:
    around.order(faults={"-vpc": WORDS})
    with pytest.raises(NotCreated) as caught:
        around.create()
    problem = caught.value
    assert problem.message == f"aws:ec2/vpc:Vpc {RUN}-vpc could not be made"
    assert WORDS in problem.why
    assert problem.kind is Kind.QUOTA
    assert "ask the provider for more" in problem.fix
    around.destroy()
    assert around.ledger.left() == {}


def test_what_is_already_made_when_another_fails_is_known(around: Around) -> None:
    around.order(faults={"-two": "no reason given"}, delay=0.3)
    with pytest.raises(NotCreated, match=f"{RUN}-two could not be made") as caught:
        around.create()
    assert caught.value.kind is None
    assert len(around.ledger.left()) >= 2
    around.destroy()
    assert around.ledger.left() == {}


def test_a_provider_that_repeats_a_secret_is_not_repeated(around: Around) -> None:
    around.order(faults={"-two": f"the user data {KEY} is malformed"})
    with pytest.raises(NotCreated) as caught:
        around.create()
    assert KEY not in caught.value.why
    assert "the user data [secret] is malformed" in caught.value.why
    around.destroy()


def test_a_program_that_fails_says_why(around: Around) -> None:
    with pytest.raises(NotCreated, match="the stack could not be made") as caught:
        around.create({"burst:other": "x"})
    assert "burst:run" in caught.value.why
    around.destroy()


def test_a_large_configuration(around: Around) -> None:
    """The language host hands it on in one variable, of which Linux takes 128 KiB (execve(2), MAX_ARG_STRLEN)."""
    around.create({"burst:run": RUN, "burst:setup": "#" * 100_000})
    around.destroy()


def test_what_cannot_be_deleted_is_said_and_the_rest_is_deleted(around: Around) -> None:
    around.create()
    around.order(delete_faults={"-two": "DependencyViolation: it is in use"})
    with pytest.raises(Leftover, match=f"{RUN}-two") as caught:
        around.destroy()
    assert "DependencyViolation: it is in use" in caught.value.why
    # What the machine that stays depends on stays with it.
    assert sorted(around.ledger.left().values()) == sorted([f"{RUN}-two", f"{RUN}-head", f"{RUN}-vpc"])
    around.order()
    around.destroy()
    assert around.ledger.left() == {}


def test_what_somebody_else_deleted_is_no_error(around: Around) -> None:
    around.create()
    around.ledger.write(did="delete", id=f"aws:ec2/instance:Instance/{RUN}-two-id")
    around.order(delete_faults={"-two": "InvalidInstanceID.NotFound"})
    around.destroy()
    assert around.ledger.left() == {}


def test_an_engine_of_another_release_is_not_used(around: Around, monkeypatch: pytest.MonkeyPatch) -> None:
    old = around.bin / "pulumi"
    old.write_text("#!/bin/sh\necho v2.25.2\n")
    old.chmod(0o700)
    with pytest.raises(Refused) as caught:
        around.create()
    assert f"{old} is 2.25.2; 3.206 or newer of 3 is needed" in caught.value.why
    assert [finding.code for finding in installation.findings()] == ["engine"]
    assert around.ledger.entries() == []
    # Where `burst doctor --fix` has installed a better one, that is taken.
    real = next(
        Path(folder) / "pulumi" for folder in os.environ["PATH"].split(os.pathsep)[1:] if (Path(folder) / "pulumi").exists()
    )
    ours = installation.folder() / "bin"
    ours.parent.mkdir(parents=True)
    ours.symlink_to(real.parent)
    assert installation.find().path == ours / "pulumi"
    assert installation.findings() == ()


def test_secrets_reach_the_program_to_the_byte(around: Around) -> None:
    """Newlines at the end too, which `pulumi config set` takes away unless it is told not to."""
    text = json.dumps({"host_key": "-----BEGIN-----\nx\n"}) + "\n\n"
    around.program = around.root / "program"
    around.program.mkdir()
    (around.program / "Pulumi.yaml").write_text("name: burst-tests\nruntime: python\n")
    (around.program / "__main__.py").write_text(
        "import pulumi\npulumi.export('length', pulumi.Config('burst').require_secret('keys').apply(len))\n"
    )
    outputs, _ = around.create(secrets={"burst:keys": text})
    assert outputs == {"length": len(text)}
    around.destroy()

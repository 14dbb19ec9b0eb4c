"""A local-program workspace of the Automation API that puts no secret on a command line and selects no stack for the user.

Imported where Pulumi is used, and only there: it needs its SDK.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pulumi.automation import LocalWorkspace, Stack, StackSettings
from pulumi.automation.errors import StackNotFoundError

from provisioner.targets.cloud.command import Orderly


class Workspace(LocalWorkspace):
    """`program` is the folder with Pulumi.yaml; the stack's settings are written beside it."""

    def __init__(self, command: Orderly, program: Path, variables: Mapping[str, str]) -> None:
        super().__init__(work_dir=str(program), env_vars=variables, secrets_provider="passphrase", pulumi_command=command)
        self._orderly = command

    def made(self, name: str, configuration: Mapping[str, str], secrets: Mapping[str, str]) -> Stack:
        """A new stack with its configuration. Raises CommandError."""
        stack = Stack.create(name, self)
        settings = self.stack_settings(name)
        self.save_stack_settings(
            name,
            StackSettings(
                secrets_provider=settings.secrets_provider,
                encrypted_key=settings.encrypted_key,
                encryption_salt=settings.encryption_salt,
                config=dict(configuration),
            ),
        )
        for key, value in secrets.items():
            # The Automation API's set_config has the value among the program's arguments, which everybody can read.
            arguments = ["config", "set", key, "--secret", "--raw", "--stack", name]
            self._orderly.feed(value, arguments, self.work_dir, self.env_vars)
        return stack

    def existing(self, name: str) -> Stack | None:
        """The stack, where there is one."""
        try:
            return Stack.select(name, self)
        except StackNotFoundError:
            return None

    def create_stack(self, stack_name: str) -> None:
        self._pulumi("stack", "init", stack_name, "--secrets-provider", "passphrase", "--no-select")

    def select_stack(self, stack_name: str) -> None:
        # "select" would be remembered in the user's own ~/.pulumi; asking for it says as well whether it is there.
        self._pulumi("stack", "--stack", stack_name)

    def remove_stack(self, stack_name: str, force: bool | None = None, preserve_config: bool | None = None) -> None:
        # With its backups: they have the run's keys in them, encrypted.
        self._pulumi("stack", "rm", "--yes", "--remove-backups", *(["--force"] if force else []), stack_name)

    def _pulumi(self, *arguments: str) -> None:
        self._orderly.run([*arguments], self.work_dir, self.env_vars)

"""The run's end with everybody gone, a dead head too: a workflow that deletes the resource group, itself in it, at the expiry.

The head does the same at the same time (alone/end_azure.py), and sooner where nobody uses the cluster any more. A machine that
switches itself off is still billed on Azure, and a machine model has no time of its end. A consumption Logic App costs nothing
until it runs. It starts at the expiry and again every quarter of an hour, until there is no group left.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pulumi
from identity import GROUP, Identity, role
from pulumi_azure_native import logic
from scope import Scope

_SCHEMA = "https://schema.management.azure.com/providers/Microsoft.Logic/schemas/2016-06-01/workflowdefinition.json#"  # its name
_MANAGEMENT = "https://management.azure.com"


@dataclass(frozen=True)
class ExpiryArgs:
    scope: Scope
    identity: Identity


class Expiry(pulumi.ComponentResource):
    """Nothing where the design forbids roles and names no identity: nobody could be allowed to delete the group."""

    def __init__(self, name: str, args: ExpiryArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("burst:azure:Expiry", name, None, opts)
        scope, given = args.scope, None if args.identity.created else args.identity.head
        if args.identity.created or given is not None:
            own = logic.ManagedServiceIdentityArgs(type=logic.ManagedServiceIdentityType.SYSTEM_ASSIGNED)
            theirs = logic.ManagedServiceIdentityType.USER_ASSIGNED
            workflow = logic.Workflow(
                "expiry",
                workflow_name=scope.named("expiry"),
                resource_group_name=scope.group,
                location=scope.region,
                state=logic.WorkflowState.ENABLED,
                identity=logic.ManagedServiceIdentityArgs(type=theirs, user_assigned_identities=[given.id]) if given else own,
                definition=pulumi.Output.all(scope.group_id, given.id if given else None).apply(
                    lambda told: _definition(scope.design.run.expires, *told)
                ),
                tags=scope.tags,
                opts=pulumi.ResourceOptions(parent=self),
            )
            if given is None:
                principal = workflow.identity.apply(lambda who: str(who.principal_id) if who else "")
                role(scope, "expiry", GROUP, scope.group_id, scope.group_id, principal, self)
        self.register_outputs({})


def _definition(expires: int, group: str, identity: str | None) -> dict[str, Any]:
    """In the workflow definition language ("Schema reference guide for the Workflow Definition Language")."""
    who = {"type": "ManagedServiceIdentity", "audience": f"{_MANAGEMENT}/", **({"identity": identity} if identity else {})}
    forced = "Microsoft.Compute/virtualMachines"
    return {
        "$schema": _SCHEMA,
        "contentVersion": "1.0.0.0",
        "triggers": {
            "expiry": {
                "type": "Recurrence",
                "recurrence": {
                    "frequency": "Minute",
                    "interval": 15,
                    "startTime": datetime.fromtimestamp(expires, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
                },
            }
        },
        "actions": {
            "delete-group": {
                "type": "Http",
                "runAfter": {},
                # It is gone itself before the deletion has ended: nobody waits for that.
                "operationOptions": "DisableAsyncPattern",
                "inputs": {
                    "method": "DELETE",
                    "uri": f"{_MANAGEMENT}{group}?api-version=2021-04-01&forceDeletionTypes={forced}",
                    "authentication": who,
                },
            }
        },
    }

"""The user-data of a stack's machines, with what is known only once other resources are."""

from __future__ import annotations

import base64

import pulumi

from provisioner.bootstrap import user_data
from provisioner.bootstrap.needs import Role
from provisioner.bootstrap.seam import Seam
from provisioner.bootstrap.secrets import Keys, fill
from provisioner.stack.given import Given
from provisioner.stack.site import SITE


def text(given: Given, role: Role, *, seam: pulumi.Input[Seam], address: pulumi.Input[str]) -> pulumi.Output[str]:
    """What a role is told, compressed and in base64 (secret): `address` is the head's private one.

    EC2 takes this as `user_data_base64`, Azure as `customData`, GCP as `user-data` with `user-data-encoding: base64`.
    """

    def rendered(told: list[object]) -> str:
        seam, address, keys = told
        assert isinstance(seam, Seam)
        whole = user_data.render(given.design, role, setup=given.setup, site=SITE, seam=seam)
        filled = fill(whole, Keys.loads(str(keys)), str(address))
        return base64.b64encode(user_data.packed(filled)).decode()

    return pulumi.Output.secret(pulumi.Output.all(seam, address, given.keys).apply(rendered))

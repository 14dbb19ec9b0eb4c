"""Which types are never sold on the spot market.

AWS: Spot Instance Advisor and "Amazon EC2 Hpc instances" (hpc types are on demand only). GCP: "Spot VMs", Limitations, and
"H3 machine series" (no Spot). Azure: "Use Azure Spot Virtual Machines", Limitations (no B series).
"""

from __future__ import annotations

# Cloud → how such a type's name begins.
_ON_DEMAND_ONLY: dict[str, tuple[str, ...]] = {"aws": ("hpc",), "gcp": ("h3-",), "azure": ("Standard_B",)}


def has_spot(cloud: str, instance: str) -> bool:
    """Whether a type may be asked for on the spot market; whether there is room is another question."""
    return not instance.startswith(_ON_DEMAND_ONLY.get(cloud, ()))

"""What Slurm is told of a cloud: the same on all three."""

from __future__ import annotations

from provisioner.slurm.conf import Site

# Ubuntu 24.04's Slurm; the vendors' images that are looked up are of the same release (docs/stacks.md, "Images").
SITE = Site(version=(23, 11))

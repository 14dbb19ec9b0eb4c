"""What a group's templates are made for, in order: decided in design/attempts.py, which the bill reads, too."""

from __future__ import annotations

from provisioner.design.attempts import order

__all__ = ["order"]

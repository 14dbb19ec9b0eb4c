"""Where a file that names no region is run, and whose prices stand for a region of which none are known."""

from __future__ import annotations

REGIONS = {"aws": "us-east-2", "gcp": "us-central1", "azure": "eastus"}

"""burst: one YAML file in, results out, nothing left behind.

    burst.yaml → Spec → Design → Inventory → ready → staged → jobs → outputs → destroyed → Receipt

`lifecycle/run.py` reads like that line. The rooms, and who may import whom, are in docs/architecture.md
and are held by import-linter (pyproject.toml).
"""

__version__ = "0.1.0"

"""One task's share: throw darts at the unit square, count those inside the quarter circle."""

import json
import os
import random
from pathlib import Path

THROWS = 250_000

task = int(os.environ["SLURM_PROCID"])
# Seeded by the task's number: the tasks throw different darts, and every run throws the same ones.
dice = random.Random(task)
inside = sum(dice.random() ** 2 + dice.random() ** 2 < 1 for _ in range(THROWS))

count = {"task": task, "node": os.environ["SLURMD_NODENAME"], "throws": THROWS, "inside": inside}
Path(f"counts/{task}.json").write_text(json.dumps(count) + "\n")
print(f"task {task}: {inside} of {THROWS} inside")

"""One task's share of the sweep: the Lyapunov exponent of the logistic map x -> r x (1 - x) for some values of r.

The exponent is the mean of log|f'(x)| along an orbit: below zero two neighbours come together (a cycle), above
zero they part (chaos).
"""

import csv
import math
import os
from pathlib import Path

# Steps to forget the start, and steps to average over.
SETTLE, MEASURE = 1_000, 10_000


def lyapunov(r: float) -> float:
    x = 0.3
    for _ in range(SETTLE):
        x = r * x * (1 - x)
    total = 0.0
    for _ in range(MEASURE):
        x = r * x * (1 - x)
        # The slope is zero where a cycle passes x = 1/2 exactly: keep the logarithm finite.
        total += math.log(max(abs(r * (1 - 2 * x)), 1e-300))
    return total / MEASURE


first, last = float(os.environ["FIRST_R"]), float(os.environ["LAST_R"])
points = int(os.environ["POINTS"])
task, tasks = int(os.environ["SLURM_ARRAY_TASK_ID"]), int(os.environ["SLURM_ARRAY_TASK_COUNT"])

# All tasks run in the same folder.
Path("points").mkdir(exist_ok=True)
with open(f"points/{task}.csv", "w", newline="") as stream:
    rows = csv.writer(stream)
    rows.writerow(["r", "exponent"])
    for k in range(task, points, tasks):
        r = first + (last - first) * k / (points - 1)
        rows.writerow([f"{r:.6f}", f"{lyapunov(r):.6f}"])

"""Gather the points that the tasks of `sweep` wrote: one table, one plot, and a check of what theory knows."""

import csv
import math
import os
import sys
from pathlib import Path

import matplotlib.pyplot as plt

# The period-doubling cascade ends, and chaos begins, at this r (Feigenbaum's point).
ONSET = 3.569946

points = []
for path in Path("../sweep/points").iterdir():
    with path.open(newline="") as stream:
        points += [(float(row["r"]), float(row["exponent"])) for row in csv.DictReader(stream)]
points.sort()

with open("lyapunov.csv", "w", newline="") as stream:
    rows = csv.writer(stream)
    rows.writerow(["r", "exponent", "regime"])
    rows.writerows((r, exponent, "chaos" if exponent > 0 else "cycle") for r, exponent in points)

figure, axes = plt.subplots(figsize=(8, 4.5), dpi=150)
axes.axhline(0, color="0.6", linewidth=0.8)
axes.axvline(ONSET, color="0.6", linewidth=0.8, linestyle="--")
axes.plot(*zip(*points), linewidth=0.8)
# Where a cycle is superstable the exponent goes to minus infinity; the plot does not follow.
axes.set(xlabel="r", ylabel="Lyapunov exponent", ylim=(-1.3, 0.8), title="Logistic map: cycles below zero, chaos above")
figure.tight_layout()
figure.savefig("lyapunov.png")

if len(points) != int(os.environ["POINTS"]):
    sys.exit(f"{len(points)} points came, {os.environ['POINTS']} were asked for")
# At r = 4 the map is a tent map seen through x = sin², whose slope is 2 everywhere: the exponent is log 2. What the
# two ends of an orbit of 10,000 steps add to the mean is a logarithm over 10,000, below 0.01 by far.
r, exponent = points[-1]
if r == 4 and abs(exponent - math.log(2)) > 1e-2:
    sys.exit(f"the exponent at r = 4 is {exponent}, not log 2")
print(f"{len(points)} points; at r = {r:g} the exponent is {exponent:.4f}")

"""One line of parameters.csv: the two-dimensional Ising model at a temperature, by Metropolis (J = k = 1, no field)."""

import csv
import json
import math
import random
import sys
from pathlib import Path

line = int(sys.argv[1])
with open("parameters.csv", newline="") as stream:
    row = list(csv.DictReader(stream))[line - 1]
temperature, size, sweeps = float(row["temperature"]), int(row["size"]), int(row["sweeps"])
dice = random.Random(int(row["seed"]))

# All up: from a random start two halves may face each other for ever.
spins = [1] * (size * size)
around = [
    (i - size, (i + size) % (size * size), i - i % size + (i - 1) % size, i - i % size + (i + 1) % size)
    for i in range(size * size)
]
accept = {change: math.exp(-change / temperature) for change in (-8, -4, 0, 4, 8)}
energies = []
for sweep in range(sweeps):
    for i, (up, down, left, right) in enumerate(around):
        change = 2 * spins[i] * (spins[up] + spins[down] + spins[left] + spins[right])
        if change <= 0 or dice.random() < accept[change]:
            spins[i] = -spins[i]
    if sweep >= sweeps // 5:
        # Each bond once.
        energies.append(-sum(spins[i] * (spins[down] + spins[right]) for i, (_, down, _, right) in enumerate(around)) / size**2)

result = {"temperature": temperature, "energy": sum(energies) / len(energies)}
# First beside it, then in its place: a task that is cut off leaves nothing half written.
new = Path(f"results/.{line}.json")
new.write_text(json.dumps(result) + "\n")
new.rename(f"results/{line}.json")
print(f"T = {temperature}: energy per spin {result['energy']:.4f}")

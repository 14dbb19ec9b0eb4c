"""Read the log of `melt` and check what must be true of it. Writes check.json; ends with 1 if anything is not.

All in reduced Lennard-Jones units, energies per atom.
"""

import json
import re
import sys
from pathlib import Path
from statistics import fmean, linear_regression

# NVE keeps the total energy. Velocity Verlet lets it tremble (here by 1e-5 of itself) but not walk; what walks is due
# to the force's small jump at the cutoff, some 1e-5 over this run. A tenfold of that would still move the temperature
# by less than its own statistical error.
MAX_DRIFT = 1e-4

# A harmonic crystal would keep half of its kinetic energy, T = 0.72; this one, stretched as it is, stays at 0.75 until
# it melts. Melting takes its heat, and the liquid settles at 0.698 (three other seeds, 17,000 steps each: their means
# lie within 0.0004). In NVE one reading scatters by T sqrt(2/3N (1 - 3/2c)) = 0.006 (Lebowitz, Percus and Verlet 1967;
# N = 4000, c = 2.6 per atom), the mean over 15 time units by less than 0.001. So 0.01 is wide for chance, and far from
# the crystal.
TEMPERATURE, TEMPERATURE_WITHIN = 0.698, 0.01

# Atoms of a liquid diffuse, those of a crystal do not. Close to the triple point, which this is, the coefficient is
# known to be about 0.03; from 4000 atoms over 15 time units it comes out within some 10 % of that.
DIFFUSION, DIFFUSION_WITHIN = 0.03, 0.01


def tables(log: str) -> list[list[dict[str, float]]]:
    """The thermodynamic output of each `run`, a row as {column: value}."""
    found = []
    for block in re.findall(r"^ *Step .*?(?=^Loop time)", log, re.DOTALL | re.MULTILINE):
        head, *lines = block.splitlines()
        # A warning may stand between two rows.
        rows = [line.split() for line in lines if line.split()[:1] and line.split()[0].isdigit()]
        found.append([dict(zip(head.split(), map(float, row))) for row in rows])
    return found


log = Path("../melt/log.lammps").read_text()
equilibration, production = tables(log)
time = [row["Time"] for row in production]
energy = [row["TotEng"] for row in production]

span = time[-1] - time[0]
drift = abs(linear_regression(time, energy).slope * span / fmean(energy))
temperature = fmean(row["Temp"] for row in production)
# Einstein's relation, past the first time unit, in which atoms rattle in the cage of their neighbours.
later = [(t, row["c_moved[4]"]) for t, row in zip(time, production) if t - time[0] > 1]
diffusion = linear_regression(*zip(*later)).slope / 6
ranks = {int(n) for n in re.findall(r"^Loop time of .* on (\d+) procs", log, re.MULTILINE)}
nodes = int(re.search(r"^step on (\d+) nodes: ", log, re.MULTILINE)[1])

values = {
    "start_temperature": equilibration[0]["Temp"],
    "temperature": round(temperature, 5),
    "energy": round(fmean(energy), 6),
    "energy_drift": float(f"{drift:.2g}"),
    "diffusion": round(diffusion, 5),
    "ranks": max(ranks),
    "nodes": nodes,
}
checks = {
    "energy is conserved": drift < MAX_DRIFT,
    "temperature of the liquid": abs(temperature - TEMPERATURE) < TEMPERATURE_WITHIN,
    "atoms diffuse": abs(diffusion - DIFFUSION) < DIFFUSION_WITHIN,
    # Without MPI between them, two tasks would be two programs of one rank each.
    "two ranks over two nodes": ranks == {2} and nodes == 2,
}
Path("check.json").write_text(json.dumps({"values": values, "checks": checks}, indent=2) + "\n")
for name, good in checks.items():
    print("ok  " if good else "NOT ", name)
print(", ".join(f"{name} {value}" for name, value in values.items()))
sys.exit(0 if all(checks.values()) else 1)

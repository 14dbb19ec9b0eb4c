"""Read the table of `measure`, say it, and end with 1 where a message arrived wrong or only one node took part."""

import csv
import sys
from pathlib import Path

with open("../measure/measure.csv", newline="") as stream:
    rows = list(csv.DictReader(stream))

lines = ["# MPI between nodes", "", "| test | ranks | bytes | µs | MB/s |", "|---|---|---|---|---|"]
for row in rows:
    speed = f"{int(row['bytes']) / float(row['microseconds']):.1f}" if row["test"] == "ping-pong" else ""
    lines.append(f"| {row['test']} | {row['ranks']} | {row['bytes']} | {row['microseconds']} | {speed} |")

# What is exact is judged; how fast it was is yours to judge.
checks = {
    "each message came back as it was sent, each sum is right": all(row["errors"] == "0" for row in rows),
    "at least two nodes took part": all(int(row["nodes"]) >= 2 for row in rows),
    "both tests ran in every size": len(rows) == 8,
}
lines += ["", *(f"- {'ok' if good else 'NOT'}: {name}" for name, good in checks.items())]
text = "\n".join(lines) + "\n"
Path("report.md").write_text(text)
print(text)
sys.exit(0 if all(checks.values()) else 1)

"""Add up what fio measured on each node; end with 1 where a byte is missing or the filesystem is not what was asked for."""

import csv
import json
import os
import sys
from pathlib import Path

measured = Path("../measure")
filesystem = (measured / "filesystem").read_text().strip()
rows = []
for path in sorted((measured / "fio").glob("*.json")):
    direction, node = path.stem.split("-", 1)
    (job,) = json.loads(path.read_text())["jobs"]
    done = job[direction]
    rows.append({"direction": direction, "node": node, "bytes": done["io_bytes"], "MiB/s": round(done["bw_bytes"] / 2**20, 1)})
    assert job["error"] == 0, path
for direction in ("write", "read"):
    own = [row for row in rows if row["direction"] == direction]
    total = {"bytes": sum(row["bytes"] for row in own), "MiB/s": round(sum(row["MiB/s"] for row in own), 1)}
    rows.append({"direction": direction, "node": "all", **total})
    print(f"{direction}: {total['MiB/s']} MiB/s from {len(own)} nodes, on {filesystem}")

with open("bandwidth.csv", "w", newline="") as stream:
    table = csv.DictWriter(stream, ["direction", "node", "bytes", "MiB/s"])
    table.writeheader()
    table.writerows(rows)

wrote, read = (row["bytes"] for row in rows if row["node"] == "all")
if wrote != read or not wrote:
    sys.exit(f"{wrote} bytes were written, {read} read")
if filesystem != "lustre" and os.environ["BURST_TARGET"] not in ("local", "nspawn"):
    sys.exit(f"/scratch is {filesystem}, not lustre")

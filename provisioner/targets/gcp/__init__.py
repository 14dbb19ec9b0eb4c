"""Google Cloud: what the shared target (targets/cloud) asks of its API directly, as plain REST.

`target.py` is the place, `credentials.py` who the caller is, `checks.py` what speaks against a design (with `permissions.py`,
`zones.py`, `images.py`, `network.py`, `filesystems.py` and `results.py`; `quota.py` compares what `draws.py` says a design takes
with what `limits.py` is told), `named.py` has the full names of what a file names, `kinds.py` what a
run is made of and how it is listed, `listing.py` what is left of a run and which runs there are, `reaping.py` deletes,
`faults.py` gives the words of Pulumi's provider their class. Calls go through the Session of `provisioner.launch.gcp`.
"""

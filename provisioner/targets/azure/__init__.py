"""Azure behind the shared target of targets/cloud: every call is plain REST, through the session of launch/azure.py.

`session.py` is who calls. `checks.py` is the preflight: `rights.py`, `sizes.py` (machine types), `images.py`, `quota.py`,
`network.py` and `filesystems.py` are its checks, `asked.py` what several of them look at; `zones.py` the choice of a zone.
`listing.py` what is there of a run, `reaping.py` deletes it,
`faults.py` gives the Pulumi provider's errors their class, `bastion.py` is the way to a head without a public address.
Only targets/registry.py opens it; `azure-identity` is loaded with the first session.
"""

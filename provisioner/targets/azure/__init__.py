"""Azure behind the shared target of targets/cloud: every call is plain REST, through the session of launch/azure.py.

`session.py` is who calls, `checks.py` the preflight, `listing.py` what is there of a run, `reaping.py` deletes it,
`faults.py` gives the Pulumi provider's errors their class, `bastion.py` is the way to a head without a public address.
Only targets/registry.py opens it; `azure-identity` is loaded with the first session.
"""

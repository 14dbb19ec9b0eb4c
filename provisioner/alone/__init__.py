"""What a cluster does with its client gone: standard library only, each module alone (the head gets it without comments).

`end_PLACE` ends everything of the head's own run that is billed, the head itself last: cloud-init/end.sh calls it at the
expiry, and whoever else finds that the run is over. Each is a program, `python3 end_PLACE.py TOLD.json`, which exits with 0
when nothing billed is left but the head, which the caller switches off. Modules of `provisioner.launch` lie beside it.

`keeper` finds that it is over: its limits. The client sends it (lifecycle/away/keeping.py).
"""

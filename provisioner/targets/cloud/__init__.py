"""What the three clouds share: a run is a Pulumi stack of stacks/CLOUD, its nodes are launched by name.

`target.py` keeps the contract of targets/base.py; what differs between clouds is behind `place.py`, which targets/aws,
gcp and azure fill. `engine.py` drives Pulumi: `installation.py` finds it, `command.py` runs it so that it ends in order,
`progress.py` tells what it does; `health.py` says what is missing for it here. `layout.py` is what is kept on this machine,
`inventory.py` turns a stack's outputs into the Inventory, `faults.py` has what to do about each class of refusal.
"""

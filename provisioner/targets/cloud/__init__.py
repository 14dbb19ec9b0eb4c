"""What the three clouds share: a run is a Pulumi stack of stacks/CLOUD, its nodes are launched by name.

`target.py` keeps the contract of targets/base.py; what differs between clouds is behind `place.py`, which targets/aws,
gcp and azure fill. `engine.py` drives Pulumi, `layout.py` is what is kept on this machine, `inventory.py` turns a
stack's outputs into the Inventory, `faults.py` gives every provider's errors their class.
"""

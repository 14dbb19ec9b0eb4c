"""The places where a cluster can exist. In: a Design. Out: an Inventory, and afterwards nothing.

`base` has the Protocol, `registry` the literal list; each place is a module or folder of its own.
docs/adding-a-target.md walks through the Protocol member by member.
"""

"""Instance types and prices. In: bundled tables. Out: `InstanceType`s, by name or by what a node must have, and the `Price`s
of what stands beside them.

`design` is who asks. Every row has the day and the source of its figures.
"""

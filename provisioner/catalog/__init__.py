"""Instance types and prices. In: a bundled table. Out: `InstanceType`s, by name or by what a node must have.

`design` is who asks. Every row has the day and the source of its figures; docs/catalogue.md says how to read them.
"""

"""What the three Pulumi programs of stacks/ share. In: a stack's configuration. Out: what every program makes alike.

`given` reads the configuration, `identity` has the tags and names that everything of a run carries, `machines` the
user-data with what is known only once other resources are, `attempts` what is tried for a group, `outputs` the one list of a
stack's outputs. Only stacks/ and the targets that drive them import it; it needs the `pulumi` package (`attempts` and
`outputs` do not).
"""

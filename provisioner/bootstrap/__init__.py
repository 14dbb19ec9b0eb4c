"""What a machine is told when it first boots. In: a Design, a role, a `Site`. Out: `#cloud-config` text, the same everywhere.

The text is made from `cloud-init/*.j2` and the shell files beside them; nothing is decided here. It holds no secret:
`user_data.MUNGE_KEY` and `user_data.HEAD_ADDRESS` stand where a target puts what only it knows. `cli` prints the
text, targets and stacks give it to their machines.
"""

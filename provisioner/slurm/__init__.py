"""What Slurm is told, and what it says. In: a Design and a `Site`. Out: slurm.conf and its companions; job and node states.

The rendering is the same for every target; a target's `Site` says the few things that its place adds.
Facts are from the man pages slurm.conf(5), gres.conf(5), cgroup.conf(5) of 22.05 to 24.11 unless said otherwise.
"""

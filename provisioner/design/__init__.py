"""Everything decided, and nothing existing yet. In: Spec, catalogue, run. Out: a `Design`, the same bytes for the same input.

Pure: no clock, no host, no network, no secret. Targets, slurm, bootstrap and the stacks read the Design and
decide nothing that stands in it.
"""

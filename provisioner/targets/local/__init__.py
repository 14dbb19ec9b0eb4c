"""This machine: a real Slurm cluster of ordinary processes of an ordinary user.

`target` keeps the contract, `layout` says where a run's files are, `host` what this machine has, `daemons` how
munged, slurmctld and the nodes are started, `mounts` how /shared comes to be, `processes` what of a run is alive, `keeper` how
it ends by itself.

A run is one folder and the processes that carry its name in their environment; both are found without any
record of ours, which is what `remains` and `runs` ask.
"""

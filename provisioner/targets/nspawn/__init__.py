"""Machines on this host: each a real systemd under systemd-nspawn that boots real cloud-init from the user-data a cloud
would get. A rehearsal of a cloud run, to the last mount.

`target` keeps the contract. `layout` says where a run's files are, `images` makes the base root file systems, `network`
a bridge in a network namespace of the run's own, `cgroups` the groups by which its processes are known, `machines`
boots and ends one machine. `provider` is a process of its own for each run: it stands where a cloud's API and its
metadata service (`imds`) would be, outlives the client, and ends the run at its expiry. `rehearsal` says what it is to
refuse or break. `removal` ends and finds everything of a run, without any record of ours.
"""

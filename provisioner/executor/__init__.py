"""How commands and bytes get to a cluster's head. In: command lines, files. Out: what was printed, files with checksums.

`base` has the Protocol, `subprocess` the one that stays on this machine, `ssh` the one that goes elsewhere: commands as
lines of `shell`, files as a `tarstream`, both over one `connection`. `process` is the one subprocess call of the program.
`jobs` and `lifecycle` call an Executor; a target makes it.
"""

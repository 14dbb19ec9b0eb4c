"""What runs on a cluster's machines too: standard library only, each module alone (they get it without its comments).

`local`, `nspawn` and each cloud's module make and end named nodes, all or none: `launch(names, template, market)` and
`end(names, template)`. Two callers: the client for the nodes that are always there, and on the head `resume`, which is
Slurm's ResumeProgram and SuspendProgram, for elastic ones. A refusal is an exception with the error class in `kind`.
`metadata` asks the place what a machine is; `reports` is where the head hears how far each machine has come.
"""

"""The work itself, over an Executor: stage in, submit, watch, collect. In: a Design's jobs. Out: a `JobResult` for each.

Every job has a folder of its own, `WORKDIR/<job>`; they lie side by side, there as in the results, so that
`../melt/log.lammps` means the same in both. `lifecycle` calls the four in that order.
"""

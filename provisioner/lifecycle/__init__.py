"""The transaction. In: a file and a target. Out: a Receipt, and nothing left.

`run` is the whole story in one function; `kept` has the verbs for a cluster that stays, `away` for one whose client goes; `sweep`
and `finishing` end what a dead run began. `prepare` comes before all of them, `state` and `journal` are what a dead run leaves
to be found, `readiness`, `work` and `teardown` are the parts of the story, `budget` watches what it costs. `papers` are written
for the user where nothing is made. Only `cli` calls in here.
"""

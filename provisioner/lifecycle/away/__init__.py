"""What goes on with the client away, and how it is brought back.

`keeping` gives the head its limits to watch; `detach` hands it the rest of a run, whose results go where `results` says;
`bring` has the way back. `background` is the same on this machine. `fetching` is the one way in for `burst fetch`, `down` and
`status`, whichever way a run stays.
"""

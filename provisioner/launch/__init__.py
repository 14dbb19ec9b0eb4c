"""Making and ending named nodes: one small module per place, standard library only, that also runs on the head.

Two callers: the client for the nodes that are always there, the head's ResumeProgram for elastic ones.
A module here imports nothing of ours: it is copied to the head as it is.
"""

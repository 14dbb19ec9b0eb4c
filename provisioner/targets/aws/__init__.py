"""Target aws: a run is a stack of stacks/aws, its nodes are EC2 instances launched by name.

`target` is the shared target with `place`, which asks AWS through boto3 with the caller's own credentials (`session`).
`checks` has what speaks against a design, `listing` everything of a run that still exists, `reaping` deletes it in the
order of its dependencies, `faults` gives errors in the words of Pulumi's provider their class. boto3 is loaded when the
first call is made, not before.
"""

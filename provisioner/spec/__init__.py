"""What the user wrote. In: the text of one YAML file. Out: a frozen `Spec`, or findings with file and line, all at once.

`source` reads YAML with positions, `model` is the shape, `rules` are what a shape cannot say, `load` is the one
way in. Everybody above may call `load.load`; nothing in here looks further than the file's own folder.
"""

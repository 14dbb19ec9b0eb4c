"""Click commands: parse, call, render. No decisions here.

`main` loads Click alone; a command's module is imported when the command is called. `boundary` is where errors
become text and exit statuses.
"""

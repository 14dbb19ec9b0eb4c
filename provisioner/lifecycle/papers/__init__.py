"""What is written for the user, and nothing is made: specs and Pulumi programs to start from, keys, and what a file would
become (`burst init`, `template`, `keys`, `render`).
"""

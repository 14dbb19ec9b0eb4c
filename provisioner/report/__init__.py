"""What happened, for people and for programs. In: events, findings, a Receipt. Out: terminal text, JSON, one HTML page.

`receipt` is the contract (docs/receipt.md is made from it). Nothing in here decides or changes anything.
"""

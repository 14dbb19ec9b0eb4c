"""What is billed, and what it has come to. In: items with prices, and facts (what began and ended when). Out: USD.

`bill` is what can be billed of one design (design/bill.py makes it); `ledger` adds up what was, with no clock of its own.
Nothing here knows a cloud: `design` and `lifecycle` are who asks.
"""

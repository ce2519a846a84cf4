"""The rules of routing, without a socket or a framework.

`resolution` follows an address to its ends, `loops` finds circles, `explanation` tells the way in words,
`distribution` splits an envelope; `records` are what is kept, `names` makes login names, `passwords` judges them.
"""

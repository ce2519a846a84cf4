"""The rules of routing, without a socket or a framework.

`resolution` follows an address to its destinations, `loops` finds loops, `explanation` puts a resolution into words,
`distribution` splits an envelope, `records` are the stored documents, `names` makes login names, `passwords` checks
passwords.
"""

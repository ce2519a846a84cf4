"""tally: counts the messages that other servers accepted, by domain of the recipient. An example of a small service.

Consumes   the event MailRelayed (relay)
Emits      nothing
Owns       the counts, in memory: an example, not for production
Fails      open: a process that ends forgets its counts, and no mail waits for them
"""

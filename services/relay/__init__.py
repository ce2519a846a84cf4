"""relay: what leaves for other servers.

Consumes   the queue mail.relay
Emits      delivery status notifications, through ingress, to the authenticated sender only; the event MailRelayed
Owns       the outbound queue (one entry a message and recipient), what is known of destinations
Fails      deferred: a peer, DNS or a smarthost that does not answer is tried again with growing delays for five days.
           An entry that is being sent is leased; a crash ends the lease and it is sent again (RFC 1047: better twice
           than never). A message that the broker gives twice is queued once.
"""

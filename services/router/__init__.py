"""router: domains, accounts, and the destinations of mail for an address.

Consumes   the queue `mail.router`
Emits      one message to `mail.store` with all mailboxes of ours, one to `mail.relay` with all addresses elsewhere and
           those that failed, one to `mail.quarantine` with junk that would only have left for other servers; the events
           DomainChanged, AccountChanged, AccountDeleted, RoutesChanged, each at least once, also after a crash right
           behind the change
Owns       domains, alias domains, addresses (accounts, aliases, forwards, redirects, replications, catch-all) and
           credentials; ingress asks it over HTTP at RCPT and AUTH
Fails      deferred: when MongoDB is away, cached routes still serve, and mail for others waits.
"""

"""router: domains, accounts and where mail for an address goes.

Consumes `mail.router`; publishes one message to `mail.store` with all mailboxes of ours, one to `mail.relay` with all
addresses elsewhere and those that failed, and one to `mail.quarantine` with junk that would only have left for other
servers. Owns domains, alias domains, addresses (accounts, aliases, forwards, redirects, replications, catch-all) and
credentials. Emits DomainChanged, AccountChanged, AccountDeleted, RoutesChanged, each at least once, also when it dies
right after the change.

Asked over HTTP by ingress at RCPT and AUTH. When MongoDB is away, cached routes still serve; mail for others waits.
"""

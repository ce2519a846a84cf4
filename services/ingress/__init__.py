"""ingress: SMTP and HTTP in. Refuses what it may refuse, publishes the rest, answers 250 when the broker has it.

Consumes   nothing; hears RoutesChanged, AccountChanged, AccountDeleted, DomainChanged, QuotaChanged, PeerBlacklisted,
           PolicyChanged
Publishes  mail.antivirus
Emits      the event PeerBlacklisted, when a peer guesses passwords
Owns       the listeners and the state of their connections; idempotency keys of its HTTP API
Asks       router (who is this address, is this the password), quota (is the mailbox full, may this be sent),
           antispam (does this stranger have to wait, is this a honeypot)
Fails      deferred: no broker, no router or no blob store is 451 and nothing was kept. A broker that took a message and
           could not say so is 451 too: the peer's retry goes under the same id, and is one message with it. A quota
           service that does not answer does not stop mail for mailboxes (store delays what does not fit), but does
           stop sending (451). An antispam that does not: nobody waits at RCPT.
"""

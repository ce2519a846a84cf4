"""ingress: receives mail by SMTP and HTTP, applies policy, and answers 250 once the broker has the message.

Consumes   nothing; hears RoutesChanged, AccountChanged, AccountDeleted, DomainChanged, QuotaChanged, PeerBlacklisted,
           PolicyChanged
Publishes  mail.antivirus
Emits      the event PeerBlacklisted, when a peer guesses passwords
Owns       the listeners and the state of their connections; idempotency keys of its HTTP API
Asks       router (recipients, senders, passwords), quota (free space of mailboxes, send limits),
           antispam (greylisting, honeypots)
Fails      deferred: without broker, router or blob store the reply is 451, and nothing was kept. It is 451 too when the
           broker did not confirm a message that it may have: the retry of the peer has the same id, so that both are
           one message. Without the quota service, mail for mailboxes goes on (store delays what does not fit), but
           sending is deferred (451). Without antispam, no peer is greylisted.
"""

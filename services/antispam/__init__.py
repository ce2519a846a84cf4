"""antispam: judges each message by an ordered chain of filters; tags, junks or quarantines by the recipient's domain.

Consumes   the queue `mail.antispam`; the events PolicyChanged, PeerBlacklisted, BayesLearned and SenderTrusted of its
           replicas, MailRelayed (recipients of local users), JunkMoved (training by moves), MailQuarantined,
           MailReleased, SenderValidated (senders that proved to be a person), AccountDeleted
Emits      to `mail.router` and `mail.quarantine`; PolicyChanged, PeerBlacklisted, BayesLearned, SenderTrusted
Owns       policies, lists, rules, Bayesian statistics, blacklisted peers, counts of mass mailings, the greylist,
           honeypots, the automatic whitelist, complaints, fingerprints of known images, daily statistics
Asks       router (is a trainer a manager), store (the message that was moved); DNS; when they are configured,
           SpamAssassin and Rspamd; its own processes that read images
Fails      open for one filter: when it raises or is late, its outcome is `error` and the other filters decide. Deferred
           for its database: mail of a domain whose policy was never read waits, one that was read stays valid.

`chain.py` is the ordered list of steps with their scores. `filters/` has one file for each filter or family of filters,
which report what they find. The slices below them: `message/` is what a filter may read of a message, `filtering/` runs
the chain with the rulebook of each domain, `policy/` is what administrators decide, `learning/` the Bayesian
statistics, `reputation/` what is known of peers and senders, `feedback/` training, honeypots and the screening at RCPT,
`images/` OCR and fingerprints, `engines/` SpamAssassin and Rspamd. Each has a `compose.py`; `app.py` joins them.
"""

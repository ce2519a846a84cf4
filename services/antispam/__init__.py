"""antispam: runs the ordered chain of filters over each message; tags, junks or quarantines by the recipient's domain.

Consumes   the queue `mail.antispam`; the events PolicyChanged, PeerBlacklisted, BayesLearned and SenderTrusted of its
           replicas, MailRelayed (whom our users write to), JunkMoved (what they teach), MailQuarantined,
           MailReleased, SenderValidated (who proved to be a person)
Emits      to `mail.router` and `mail.quarantine`; PolicyChanged, PeerBlacklisted, BayesLearned, SenderTrusted
Owns       policies, lists, rules, learned statistics, cached blacklisted peers, sightings of the same message, the
           greylist, honeypots, the automatic whitelist, complaints, fingerprints of known images
Asks       router (is a trainer a manager), store (the message that was moved); DNS; when they are configured,
           SpamAssassin, Rspamd, and processes of its own that look at images
Fails      open for one filter: it raises or is late, the finding says `error`, the rest of the chain decides. Deferred
           for its database: a domain whose policy was never read waits, one that was read keeps what was read last.

`chain.py` is the ordered list of steps and alone knows their scores. `filters/` has one file a filter, which reports
what it saw. `domain/` has the rules: what a filter may know (`mail_view`, `context`), the runner (`judging`), what an
administrator decides (`policy`, `listing`, `rules`, collected in `rulebook`). `bayes/` is the learned statistics.
"""

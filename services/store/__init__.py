"""store: mailboxes, their folders and messages, the bodies that they share, and the quarantine.

Consumes   `mail.store` and `mail.quarantine`; the events AccountChanged and AccountDeleted (router), QuotaChanged,
           PolicyChanged
Emits      the events MailboxUsageChanged, JunkMoved, MailQuarantined, MailReleased and SenderValidated; released mail
           to `mail.router`; through ingress: bounces of mail for full mailboxes, notices to senders of quarantined
           mail, and digests to accounts
Owns       folders, messages, bodies, tombstones, the quarantine
Fails      mail for a mailbox over its quota waits alone, the other mailboxes get their copy at once. With quota away
           the last known limit counts, or none. With antispam or ingress away notices and digests wait. With MongoDB
           away nothing is acknowledged. A delivery is one transaction with a unique key (message id, mailbox): a
           message is stored once, however often the queue delivers it.
"""

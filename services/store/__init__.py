"""store: mailboxes, their folders and messages, the bodies that they share, and the quarantine.

Consumes   `mail.store` and `mail.quarantine`; the events AccountChanged and AccountDeleted (router), QuotaChanged,
           PolicyChanged
Emits      the events MailboxUsageChanged, JunkMoved, MailQuarantined, MailReleased and SenderValidated; released mail
           to `mail.router`; through ingress, a notification to the sender of mail that waited for its mailbox in vain,
           notices to senders of held mail and digests to accounts
Owns       folders, messages, bodies, tombstones, the quarantine
Fails      a mailbox over its quota waits alone, the others get their copy at once. With quota away the last known limit
           counts, or none. With antispam or ingress away notices and digests wait. With MongoDB away nothing is
           acknowledged. A delivery is one transaction with a unique key (message id, mailbox): however often the queue
           brings a message, it is there once.
"""

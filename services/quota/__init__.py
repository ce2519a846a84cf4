"""quota: how much each mailbox holds and may hold, and how much each sender may send.

Consumes   the events MailboxUsageChanged (store), DomainChanged, AccountChanged and AccountDeleted (router)
Emits      the event QuotaChanged; a warning by mail, through ingress, to the owner of a nearly full mailbox
Owns       usage, profiles and limits (router passes on the wishes of administrators), the send counters
Fails      closed for nothing: with quota away mail is still delivered; its neighbours decide for themselves. Usage is
           absolute and versioned, so events that come late, twice or out of order do no harm, and a recount repairs.
"""

"""The quarantine for people: what is done with held mail, notices to senders, digests, pages that need no login."""

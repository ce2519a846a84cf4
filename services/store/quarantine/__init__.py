"""The quarantine: actions on held mail, notices to senders, digests, and pages that need no login."""

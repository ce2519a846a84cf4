"""Mailboxes, folders, messages and bodies; delivery, changes and deletion."""

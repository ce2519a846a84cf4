"""The rules of mailboxes: pure, no socket, no framework, no database."""

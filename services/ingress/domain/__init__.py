"""The rules of a session: pure, no socket, no framework."""

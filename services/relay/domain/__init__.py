"""The rules: pure, no socket, no framework."""

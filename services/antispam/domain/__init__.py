"""The rules of antispam: pure, no socket, no framework."""

"""Real servers as child processes, for tests and for runs of separate services."""

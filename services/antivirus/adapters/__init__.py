"""Engines and the database: everything with a socket or a thread."""

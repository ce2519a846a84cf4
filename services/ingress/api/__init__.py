"""HTTP: parse, call, respond."""

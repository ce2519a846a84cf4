"""Adapters: everything with a socket or a state. A database would have its module `mongo` here."""

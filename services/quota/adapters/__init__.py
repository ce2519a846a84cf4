"""Adapters of quota: MongoDB and the APIs of the other services."""

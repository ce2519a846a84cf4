"""The bus of one process: a local SQLite file behind the same contract as RabbitMQ.

`bus` is the contract, `queues` what the event loop knows of each queue, `writer` the thread that commits groups of
operations with one fsync, `file` the tables and statements, `events` the groups and broadcasts.
"""

from libs.bus.embedded.bus import EmbeddedBus

__all__ = ["EmbeddedBus"]

"""The bus of one process: a local SQLite file behind the same contract as RabbitMQ.

`bus` implements the contract, `queues` holds the state of each queue on the event loop, `writer` is the thread that
commits groups of operations with one fsync, `queue_file` has the tables and statements, `events` groups and broadcasts.
"""

from libs.bus.embedded.bus import EmbeddedBus

__all__ = ["EmbeddedBus"]

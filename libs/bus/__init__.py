"""The bus: durable work queues with retries and dead letters, and events. One contract, two implementations.

`rabbitmq` (cluster) and `embedded` (one process, a local file that survives `kill -9`) behave alike; the contract tests
in `tests/contract` run against both. `open_bus(url)` selects one by the scheme of the address.
"""

from libs.bus.factory import open_bus
from libs.bus.ports import (
    Bus,
    Consumer,
    DeadLetter,
    Delivery,
    Depth,
    Event,
    Limits,
    NotPublished,
    Refused,
    Replayed,
    Unavailable,
)

__all__ = [
    "Bus",
    "Consumer",
    "DeadLetter",
    "Delivery",
    "Depth",
    "Event",
    "Limits",
    "NotPublished",
    "Refused",
    "Replayed",
    "Unavailable",
    "open_bus",
]

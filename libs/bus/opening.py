"""From an address to a bus: the scheme picks the implementation."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from libs.bus.ports import Bus


def open_bus(url: str) -> Bus:
    """A bus that is not started yet.

    `embedded:PATH` is the local durable queue in the directory PATH; `amqp://` and `amqps://` are RabbitMQ.
    Raises `ValueError` for any other scheme.
    """
    # Each is imported only when it is asked for: one process needs one of the drivers.
    match urlsplit(url).scheme:
        case "embedded":
            from libs.bus.embedded import EmbeddedBus

            return EmbeddedBus(Path(url.removeprefix("embedded:")))
        case "amqp" | "amqps":
            from libs.bus.rabbitmq import RabbitBus

            return RabbitBus(url)
        case other:
            raise ValueError(f"bus address: unknown scheme {other!r}, expected embedded:, amqp:// or amqps://")

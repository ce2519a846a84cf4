"""From an address to a bus: the scheme picks the implementation."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from libs.bus.embedded import EmbeddedBus
from libs.bus.ports import Bus
from libs.bus.rabbitmq import RabbitBus


def open_bus(url: str) -> Bus:
    """A bus that is not started yet.

    `embedded:PATH` is the local durable queue in the directory PATH; `amqp://` and `amqps://` are RabbitMQ.
    Raises `ValueError` for any other scheme.
    """
    match urlsplit(url).scheme:
        case "embedded":
            return EmbeddedBus(Path(url.removeprefix("embedded:")))
        case "amqp" | "amqps":
            return RabbitBus(url)
        case other:
            raise ValueError(f"bus address: unknown scheme {other!r}, expected embedded:, amqp:// or amqps://")

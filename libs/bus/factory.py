"""Creates a bus from an address, whose scheme selects the implementation."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from libs.bus.ports import DEFAULT_LIMITS, Bus, Limits


def open_bus(url: str, *, start_deadline: timedelta = timedelta(seconds=60), limits: Limits = DEFAULT_LIMITS) -> Bus:
    """Return a bus that is not started; `start_deadline` bounds the wait of its start for the broker, or the disk.

    `embedded:PATH` is the local durable queue in the directory PATH; `amqp://` and `amqps://` are RabbitMQ.
    Raises `ValueError` for any other scheme.
    """
    # Imported on demand: a process needs one of the drivers.
    match urlsplit(url).scheme:
        case "embedded":
            from libs.bus.embedded import EmbeddedBus

            return EmbeddedBus(Path(url.removeprefix("embedded:")), start_timeout=start_deadline, limits=limits)
        case "amqp" | "amqps":
            from libs.bus.rabbitmq import RabbitBus

            return RabbitBus(url, start_timeout=start_deadline, limits=limits)
        case other:
            raise ValueError(f"bus address: unknown scheme {other!r}, expected embedded:, amqp:// or amqps://")

"""From an address to a running MongoDB: the scheme picks the way."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

from libs.mongo.client import Mongo
from libs.mongo.embedded import EmbeddedMongod

EMBEDDED_PORT = 27117


@asynccontextmanager
async def open_mongo(url: str, *, prefix: str, port_base: int, start_deadline: timedelta) -> AsyncIterator[Mongo]:
    """`embedded:DIRECTORY` starts a mongod of our own; anything else is the driver's (`mongodb://...`).

    Raises `Temporary` when it does not come up in time, `ValueError` when there is no such port.
    """
    if not url.startswith("embedded:"):
        mongo = Mongo(url, prefix=prefix)
        try:
            yield mongo
        finally:
            mongo.close()
        return
    port = EMBEDDED_PORT + port_base
    if port > 65535:
        raise ValueError(f"setting port_base: with an embedded MongoDB at most {65535 - EMBEDDED_PORT}")
    server = EmbeddedMongod(Path(url.removeprefix("embedded:")), port=port)
    try:
        await server.start(deadline=start_deadline)
        mongo = Mongo(server.url, prefix=prefix)
        try:
            yield mongo
        finally:
            mongo.close()
    finally:
        await server.stop()

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

    Raises `Temporary` when it does not come up in time.
    """
    if not url.startswith("embedded:"):
        mongo = Mongo(url, prefix=prefix)
        try:
            yield mongo
        finally:
            mongo.close()
        return
    server = EmbeddedMongod(Path(url.removeprefix("embedded:")), port=EMBEDDED_PORT + port_base)
    await server.start(deadline=start_deadline)
    mongo = Mongo(server.url, prefix=prefix)
    try:
        yield mongo
    finally:
        mongo.close()
        await server.stop()

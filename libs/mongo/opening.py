"""Opens the MongoDB of an address; the scheme of the address chooses how."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import structlog
from pymongo.errors import ConfigurationError

from libs.envelope import Temporary
from libs.mongo.client import Mongo
from libs.mongo.embedded import EmbeddedMongod, runs_already

log = structlog.get_logger(__name__)

EMBEDDED_PORT = 27117


@asynccontextmanager
async def open_mongo(url: str, *, prefix: str, port_base: int, start_deadline: timedelta) -> AsyncIterator[Mongo]:
    """`embedded:DIRECTORY` starts a mongod of our own; anything else is the driver's (`mongodb://...`).

    Raises `Temporary` when it does not answer in time, `ValueError` when the address or the port can be none.
    """
    if not url.startswith("embedded:"):
        mongo = _connected(url, prefix)
        try:
            await _answers(mongo, start_deadline)
            yield mongo
        finally:
            await mongo.close()
        return
    server = EmbeddedMongod(_directory(url), port=_port(port_base))
    try:
        await server.start(deadline=start_deadline)
        mongo = Mongo(server.url, prefix=prefix, kill=server.kill_now, revive=server.revive)
        try:
            yield mongo
        finally:
            await mongo.close()
    finally:
        await server.stop()


def embedded_port(url: str, port_base: int) -> int | None:
    """The port that a mongod of our own will bind; None where there is none, or where its predecessor still ends.

    Raises `ValueError` when it can be none.
    """
    if not url.startswith("embedded:"):
        return None
    port = _port(port_base)
    return None if runs_already(_directory(url)) else port


def _directory(url: str) -> Path:
    return Path(url.removeprefix("embedded:"))


def _port(port_base: int) -> int:
    port = EMBEDDED_PORT + port_base
    if port > 65535:
        raise ValueError(f"setting port_base: with an embedded MongoDB at most {65535 - EMBEDDED_PORT}")
    return port


def _connected(url: str, prefix: str) -> Mongo:
    try:
        return Mongo(url, prefix=prefix)
    except (ConfigurationError, ValueError) as error:
        raise ValueError(f"setting mongo_url: {error}") from error


async def _answers(mongo: Mongo, deadline: timedelta) -> None:
    """Wait until MongoDB answers: it may start later than this process."""
    reason = "no answer"
    try:
        async with asyncio.timeout(deadline.total_seconds()):
            while True:
                try:
                    await mongo.check()
                except Temporary as error:
                    reason = error.reason
                    log.info("mongodb_unreachable", reason=reason)
                    await asyncio.sleep(0.5)
                else:
                    return
    except TimeoutError as error:
        raise Temporary(f"MongoDB is not there within {deadline}: {reason}") from error

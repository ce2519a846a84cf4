"""What a process has once, however many services run in it."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from libs.blobs import Blobs, open_blobs
from libs.bus import Bus, open_bus
from libs.envelope.model import utc_now
from libs.http import Client, Role, Tokens
from libs.mongo import Mongo, open_mongo
from libs.runtime.outbox import Outbox
from libs.settings import ServiceSettings


@dataclass(frozen=True, slots=True)
class Shared:
    """Bus, blobs, database, tokens and clock of this process."""

    bus: Bus
    blobs: Blobs
    mongo: Mongo
    tokens: Tokens
    outbox: Outbox
    clock: Callable[[], datetime] = utc_now

    def client(self, settings: ServiceSettings, service: str) -> Client:
        """A client of the neighbour `service`, with the services' token."""
        return Client(settings.url_of(service), token=lambda: self.tokens.text(Role.SERVICE))


@asynccontextmanager
async def open_shared(settings: ServiceSettings) -> AsyncIterator[Shared]:
    """Everything connected. Raises `Temporary` or `ValueError` when something cannot be had."""
    files = {Role.ADMIN: settings.admin_token_file, Role.SERVICE: settings.service_token_file}
    if settings.bus_url.startswith("embedded:"):
        for path in files.values():
            await asyncio.to_thread(_make_token, path)
    async with open_mongo(
        settings.mongo_url,
        prefix=settings.mongo_prefix,
        port_base=settings.port_base,
        start_deadline=settings.start_deadline,
    ) as mongo:
        bus = open_bus(settings.bus_url)
        blobs = open_blobs(settings.blobs_url, mongo)
        try:
            await bus.start()
            outbox = Outbox(bus, blobs, inline_limit_bytes=settings.inline_limit_bytes)
            yield Shared(bus, blobs, mongo, Tokens(files), outbox)
        finally:
            await bus.close()


def _make_token(path: Path) -> None:
    """A random token, readable by its owner only; an existing one is kept."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_urlsafe(32) + "\n")

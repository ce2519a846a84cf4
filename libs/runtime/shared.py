"""What a process has once, however many services run in it."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from libs.blobs import Blobs, open_blobs
from libs.bus import Bus, Unavailable, open_bus
from libs.envelope import Temporary
from libs.envelope.model import utc_now
from libs.http import Client, Role, Tokens
from libs.mongo import Mongo, open_mongo
from libs.runtime.outbox import NO_TRACES, Outbox
from libs.settings import ServiceSettings, WrongSetting
from libs.telemetry import Traces


@dataclass(frozen=True, slots=True)
class Shared:
    """Bus, blobs, database, tokens and clock of this process."""

    bus: Bus
    blobs: Blobs
    mongo: Mongo
    tokens: Tokens
    outbox: Outbox
    clock: Callable[[], datetime] = utc_now
    traces: Traces = NO_TRACES

    def of(self, service: str, settings: ServiceSettings) -> Shared:
        """The same for one service, under its own name in traces."""
        traces = Traces(service, endpoint=settings.otlp_endpoint, ratio=settings.trace_ratio)
        return replace(self, traces=traces, outbox=self.outbox.traced(traces))

    def client(self, settings: ServiceSettings, service: str) -> Client:
        """A client of the neighbour `service`, with the services' token."""
        return Client(settings.url_of(service), token=lambda: self.tokens.text(Role.SERVICE))


@asynccontextmanager
async def open_shared(settings: ServiceSettings) -> AsyncIterator[Shared]:
    """Everything connected. Raises `Temporary` when something cannot be had, `ValueError` or `WrongSetting`."""
    bus = open_bus(settings.bus_url, start_deadline=settings.start_deadline)
    tokens = await asyncio.to_thread(_tokens, settings)
    async with open_mongo(
        settings.mongo_url,
        prefix=settings.mongo_prefix,
        port_base=settings.port_base,
        start_deadline=settings.start_deadline,
    ) as mongo:
        blobs = open_blobs(settings.blobs_url, mongo)
        try:
            await _start(bus, settings.start_deadline)
            outbox = Outbox(bus, blobs, inline_limit_bytes=settings.inline_limit_bytes)
            yield Shared(bus, blobs, mongo, tokens, outbox)
        finally:
            await bus.close()


async def _start(bus: Bus, deadline: timedelta) -> None:
    """Raises `Temporary` that says where the broker should be, and what is wrong."""
    try:
        await bus.start()
    except Unavailable as error:
        raise Temporary(f"the bus is not there within {deadline}: {error.reason}") from error


def _tokens(settings: ServiceSettings) -> Tokens:
    """Embedded mode makes its own. A cluster without tokens would answer 401 to everybody, and never say why."""
    files = {Role.ADMIN: settings.admin_token_file, Role.SERVICE: settings.service_token_file}
    tokens = Tokens(files)
    for role, path in files.items():
        if settings.bus_url.startswith("embedded:"):
            make_secret(path)
        try:
            tokens.text(role)
        except OSError as error:
            raise WrongSetting(f"setting {role}_token_file: {path}: {error.strerror or 'holds no token'}") from error
    return tokens


def make_secret(path: Path) -> None:
    """A random token or key, readable by its owner only; an existing one is kept. It is there only when it is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_urlsafe(32) + "\n")
    with suppress(FileExistsError):
        os.link(aside, path)
    aside.unlink()

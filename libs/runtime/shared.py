"""The resources that a process has once, however many services run in it."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from libs.blobs import Blobs, open_blobs
from libs.bus import Bus, Limits, Unavailable, open_bus
from libs.envelope import Temporary
from libs.envelope.model import utc_now
from libs.http import Client, Tokens
from libs.http.parameters import to_milliseconds
from libs.mongo import Mongo, open_mongo
from libs.runtime.closing import BUS, within
from libs.runtime.outbox import NO_TRACES, Outbox
from libs.settings import API_PORTS, ServiceSettings, WrongSetting
from libs.telemetry import Traces


def now() -> datetime:
    """The time in milliseconds, the precision of the database: an answer shows the same time as a later read."""
    return to_milliseconds(utc_now())


@dataclass(frozen=True, slots=True)
class Shared:
    """Bus, blobs, database, tokens and clock of this process."""

    bus: Bus
    blobs: Blobs
    mongo: Mongo
    tokens: Tokens
    outbox: Outbox
    clock: Callable[[], datetime] = now
    traces: Traces = NO_TRACES
    service: str = ""

    def of(self, service: str, settings: ServiceSettings) -> Shared:
        """The same for one service, under its own name in traces and towards its neighbours."""
        traces = Traces(service, endpoint=settings.otlp_endpoint, ratio=settings.trace_ratio)
        return replace(self, traces=traces, outbox=self.outbox.traced(traces), service=service)

    def client(self, settings: ServiceSettings, neighbour: str) -> Client:
        """A client of the service `neighbour`, with the token of this service."""
        return Client(
            settings.url_of(neighbour),
            token=lambda: self.tokens.own(self.service),
            ca_file=settings.neighbour_ca_file,
        )


@asynccontextmanager
async def open_shared(settings: ServiceSettings, services: Sequence[str]) -> AsyncIterator[Shared]:
    """Everything connected, for the `services` of this process.

    Raises `Temporary` when something cannot be had, `ValueError` or `WrongSetting`.
    """
    limits = Limits(settings.queue_max_messages, settings.queue_max_bytes)
    bus = open_bus(settings.bus_url, start_deadline=settings.start_deadline, limits=limits)
    tokens = await asyncio.to_thread(open_tokens, settings, services)
    # The bus comes first: an embedded one that another process has open fails at once, a database starts slowly.
    try:
        await _start(bus, settings.start_deadline)
        async with open_mongo(
            settings.mongo_url,
            prefix=settings.mongo_prefix,
            port_base=settings.port_base,
            start_deadline=settings.start_deadline,
        ) as mongo:
            blobs = open_blobs(settings.blobs_url, mongo)
            outbox = Outbox(bus, blobs, inline_limit_bytes=settings.inline_limit_bytes)
            yield Shared(bus, blobs, mongo, tokens, outbox)
    finally:
        await within(BUS, "bus", bus.close())


async def _start(bus: Bus, deadline: timedelta) -> None:
    """Connect the bus. Raises `Temporary` with the reason."""
    try:
        await bus.start()
    except Unavailable as error:
        raise Temporary(f"the bus is not there within {deadline}: {error.reason}") from error


def open_tokens(settings: ServiceSettings, services: Sequence[str]) -> Tokens:
    """Return the tokens of all callers, after a check of those that this process sends. Raises `WrongSetting`.

    Where no `service_tokens_dir` is set, they are made in the `var_dir`, which the processes of one machine share.
    """
    if settings.service_token_file is not None and len(services) > 1:
        raise WrongSetting("setting service_token_file: it is for a process of one service; set service_tokens_dir")
    directory = settings.service_tokens_dir or settings.var_dir / "service-tokens"
    own = {service: settings.service_token_file or directory / service for service in services}
    tokens = Tokens(admin=settings.admin_token_file, directory=directory, own=own, services=frozenset(API_PORTS))
    try:
        if settings.service_tokens_dir is None:
            for service in API_PORTS:
                make_secret(directory / service)
        if settings.bus_url.startswith("embedded:"):
            make_secret(settings.admin_token_file)
        tokens.check()
    except OSError as error:
        # A process without tokens would answer 401 to all its callers and never say why.
        raise WrongSetting(f"tokens: {error}") from error
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

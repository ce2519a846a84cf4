"""Composition root of relay."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from libs.dns import open_resolver
from libs.letters import IngressPost, Notifications
from libs.runtime import Service, Shared
from libs.telemetry import Metrics
from services.relay.adapters.mx import MailExchangers, Smarthost
from services.relay.adapters.queue import MongoQueue
from services.relay.adapters.smtp import SmtpTransport
from services.relay.api import routes
from services.relay.courier import Courier, Limits
from services.relay.domain.entries import Schedule
from services.relay.handlers import Acceptance
from services.relay.ports import Destinations
from services.relay.settings import Settings

NAME = "relay"

__all__ = ["NAME", "Settings", "build"]


@asynccontextmanager
async def build(settings: Settings, shared: Shared) -> AsyncIterator[Service]:
    """Raises `Temporary` when MongoDB does not answer, `ValueError` for a wrong smarthost."""
    queue = MongoQueue(
        shared.mongo.database(NAME),
        keep_done=settings.keep_done,
        keep_message=settings.give_up_after + settings.keep_done,
    )
    await queue.prepare()
    metrics = Metrics()
    ingress = shared.client(settings, "ingress")
    transport = SmtpTransport(
        hostname=settings.hostname,
        tls=settings.tls,
        connect_timeout=settings.connect_timeout,
        command_timeout=settings.command_timeout,
        login=_login(settings),
    )
    courier = Courier(
        queue=queue,
        blobs=shared.blobs,
        destinations=_destinations(settings, metrics),
        transport=transport,
        reporter=Notifications(
            IngressPost(ingress), hostname=settings.hostname, author=settings.notice_author, clock=shared.clock
        ),
        schedule=Schedule(
            settings.first_delay, settings.longest_delay, settings.give_up_after, settings.delay_notice_after
        ),
        limits=Limits(settings.destination_limit, settings.total_limit, settings.poll_period),
        metrics=metrics,
        hostname=settings.hostname,
        clock=shared.clock,
        emit=shared.bus.emit,
    )

    async def drop_idle() -> None:
        while True:
            await asyncio.sleep(10)
            await transport.drop_idle()

    try:
        yield Service(
            name=NAME,
            settings=settings,
            metrics=metrics,
            routers=(routes(queue, courier, clock=shared.clock),),
            handles=Acceptance(queue, courier, shared.clock).table(),
            listeners=(courier,),
            background=(courier.run, drop_idle),
        )
    finally:
        await transport.close()
        await ingress.close()


def _destinations(settings: Settings, metrics: Metrics) -> Destinations:
    if settings.smarthost:
        return Smarthost(settings.smarthost)
    return MailExchangers(open_resolver(settings, metrics), smtp_port=settings.smtp_port, own_name=settings.hostname)


def _login(settings: Settings) -> tuple[str, str] | None:
    if not settings.smarthost_user:
        return None
    if settings.smarthost_password_file is None:
        raise ValueError("setting relay.smarthost_password_file: needed with smarthost_user")
    return settings.smarthost_user, settings.smarthost_password_file.read_text().strip()

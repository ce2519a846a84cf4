"""Composition root of relay."""

from __future__ import annotations

import os
import socket
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from libs.dns import open_resolver
from libs.http import Client
from libs.postmaster import IngressPost, Notifications
from libs.runtime import Periodic, Service, Shared
from libs.telemetry import Metrics
from services.relay.adapters.holders import RENEWAL, Holders
from services.relay.adapters.mx import MailExchangers, Smarthost
from services.relay.adapters.parking import QueueDeadLetters
from services.relay.adapters.queue import MongoQueue
from services.relay.adapters.queue_views import QueueViews
from services.relay.adapters.report_queue import ReportQueue
from services.relay.adapters.smtp import SmtpTransport
from services.relay.adapters.smtp_dialing import Dialer, Login, Timeouts
from services.relay.adapters.takeover import Takeover
from services.relay.api import routes
from services.relay.courier import Courier, Limits
from services.relay.delivering import Delivering
from services.relay.domain.entries import Schedule
from services.relay.handlers import Acceptance
from services.relay.keeping import Keeping
from services.relay.ledger import Ledger
from services.relay.ports import Destinations
from services.relay.reports import Reports
from services.relay.settings import Settings

NAME = "relay"
MINUTE = timedelta(minutes=1)

__all__ = ["NAME", "Settings", "build"]


@asynccontextmanager
async def build(settings: Settings, shared: Shared) -> AsyncIterator[Service]:
    """Raises `Temporary` when MongoDB does not answer, `ValueError` for a wrong smarthost, login or file."""
    metrics = Metrics()
    database = shared.mongo.database(NAME)
    holder = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
    queue = MongoQueue(database, holder=holder, keep_done=settings.keep_done)
    holders = Holders(database, holder=holder, monotonic=time.monotonic)
    takeover = Takeover(database)
    await queue.prepare()
    await holders.prepare()
    await takeover.round(now=shared.clock())
    ledger = Ledger(queue, shared.clock)
    courier = Courier(
        queue=queue,
        holders=holders,
        ledger=ledger,
        delivering=_delivering(settings, shared, queue, ledger, metrics),
        destinations=_destinations(settings, metrics),
        session=SmtpTransport(_dialer(settings)).session,
        limits=Limits(settings.destination_limit, settings.total_limit),
        clock=shared.clock,
    )
    ingress = shared.client(settings, "ingress")
    reports = _reports(settings, shared, queue, ingress, metrics)
    keeping = Keeping(queue.bodies, shared.blobs, shared.clock)
    views = QueueViews(database, queue.bodies, keep_done=settings.keep_done)

    async def take_over() -> None:
        await takeover.round(now=shared.clock())

    try:
        yield Service(
            name=NAME,
            settings=settings,
            metrics=metrics,
            routers=(routes(views, courier, clock=shared.clock),),
            queue_handlers=Acceptance(queue, courier, shared.clock).table(),
            listeners=(courier,),
            background=(
                Periodic("heartbeat", courier.heartbeat, RENEWAL),
                Periodic("look", courier.look, settings.poll_period),
                Periodic("reports", reports.round, settings.poll_period),
                Periodic("collect", keeping.collect, timedelta(seconds=15)),
                Periodic("keep_bodies", keeping.look_through, timedelta(hours=12)),
                Periodic("take_over", take_over, MINUTE),
            ),
        )
    finally:
        await ingress.close()


def _delivering(settings: Settings, shared: Shared, queue: MongoQueue, ledger: Ledger, metrics: Metrics) -> Delivering:
    schedule = Schedule(
        settings.first_delay, settings.longest_delay, settings.give_up_after, settings.delay_notice_after
    )
    return Delivering(
        bodies=queue.bodies,
        blobs=shared.blobs,
        ledger=ledger,
        schedule=schedule,
        metrics=metrics,
        hostname=settings.hostname,
        clock=shared.clock,
        emit=shared.bus.emit,
    )


def _reports(settings: Settings, shared: Shared, queue: MongoQueue, ingress: Client, metrics: Metrics) -> Reports:
    notifications = Notifications(
        IngressPost(ingress),
        hostname=settings.hostname,
        author=settings.notice_author,
        clock=shared.clock,
        return_limit_bytes=settings.return_limit_bytes,
    )
    return Reports(
        queue=ReportQueue(shared.mongo.database(NAME), queue.bodies, keep_done=settings.keep_done),
        bodies=queue.bodies,
        blobs=shared.blobs,
        reporter=notifications,
        dead_letters=QueueDeadLetters(shared.bus),
        give_up_after=settings.give_up_after,
        metrics=metrics,
        clock=shared.clock,
        emit=shared.bus.emit,
    )


def _destinations(settings: Settings, metrics: Metrics) -> Destinations:
    if settings.smarthost:
        return Smarthost(settings.smarthost)
    return MailExchangers(
        open_resolver(settings, metrics),
        smtp_port=settings.smtp_port,
        own_name=settings.hostname,
        private_networks=settings.private_destinations,
    )


def _dialer(settings: Settings) -> Dialer:
    return Dialer(
        hostname=settings.hostname,
        tls=settings.tls,
        timeouts=Timeouts(
            connection=settings.connect_timeout,
            command=settings.command_timeout,
            data=min(settings.command_timeout, timedelta(minutes=2)),
            final_dot=settings.final_dot_timeout,
        ),
        login=_login(settings),
        implicit_tls=settings.smarthost_implicit_tls,
        ca_file=settings.tls_ca_file,
    )


def _login(settings: Settings) -> Login | None:
    if not settings.smarthost_user:
        return None
    if not settings.smarthost:
        raise ValueError("setting relay.smarthost: needed with smarthost_user, since a login goes to one server only")
    if settings.smarthost_password_file is None:
        raise ValueError("setting relay.smarthost_password_file: needed with smarthost_user")
    return Login(settings.smarthost_user, settings.smarthost_password_file.read_text().strip())

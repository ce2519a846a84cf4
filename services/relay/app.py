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
from libs.neighbours import IngressClient
from libs.postmaster import Notifications
from libs.runtime import Periodic, Service, Shared
from libs.telemetry import Metrics
from services.relay.adapters.dead_letters import DeadLetterQueue
from services.relay.adapters.leases import RENEWAL, Leases
from services.relay.adapters.legacy_migration import LegacyMigration
from services.relay.adapters.mx import MailExchangers, Smarthost
from services.relay.adapters.queue import MongoQueue
from services.relay.adapters.queue_views import QueueViews
from services.relay.adapters.report_queue import ReportQueue
from services.relay.adapters.smtp import SmtpTransport
from services.relay.adapters.smtp_dialer import Dialer, SmtpClientTimeouts, SmtpLogin
from services.relay.api import ABOUT, routes
from services.relay.body_retention import BodyRetention
from services.relay.deliverer import Deliverer
from services.relay.domain.entries import Schedule
from services.relay.handlers import RelayHandler
from services.relay.outcome_writer import OutcomeWriter
from services.relay.ports import Destinations
from services.relay.queue_runner import ConcurrencyLimits, QueueRunner
from services.relay.report_sender import ReportSender
from services.relay.settings import Settings

NAME = "relay"
MINUTE = timedelta(minutes=1)

__all__ = ["NAME", "Settings", "build"]


@asynccontextmanager
async def build(settings: Settings, shared: Shared) -> AsyncIterator[Service]:
    """Build the service.

    Raises `Temporary` when MongoDB does not answer, `ValueError` for an invalid smarthost, login or file.
    """
    metrics = Metrics()
    database = shared.mongo.database(NAME)
    holder = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
    queue = MongoQueue(database, holder=holder, done_retention=settings.done_retention)
    leases = Leases(database, holder=holder, monotonic=time.monotonic)
    legacy = LegacyMigration(database)
    await queue.prepare()
    await leases.prepare()
    await legacy.round(now=shared.clock())
    outcomes = OutcomeWriter(queue, shared.clock)
    queue_runner = QueueRunner(
        queue=queue,
        leases=leases,
        outcomes=outcomes,
        deliverer=_deliverer(settings, shared, queue, outcomes, metrics),
        destinations=_destinations(settings, metrics),
        session=SmtpTransport(_dialer(settings)).session,
        limits=ConcurrencyLimits(settings.connections_per_mx_group, settings.max_connections),
        clock=shared.clock,
    )
    ingress = shared.client(settings, "ingress")
    reports = _reports(settings, shared, queue, ingress, metrics)
    retention = BodyRetention(queue.bodies, shared.blobs, shared.clock)
    views = QueueViews(database, queue.bodies, done_retention=settings.done_retention)

    async def migrate() -> None:
        await legacy.round(now=shared.clock())

    try:
        yield Service(
            name=NAME,
            about=ABOUT,
            settings=settings,
            metrics=metrics,
            routers=(routes(views, queue_runner, clock=shared.clock),),
            queue_handlers=RelayHandler(queue, queue_runner, shared.clock).table(),
            listeners=(queue_runner,),
            background=(
                Periodic("heartbeat", queue_runner.heartbeat, RENEWAL),
                Periodic("poll", queue_runner.poll, settings.poll_period),
                Periodic("reports", reports.send_due, settings.poll_period),
                Periodic("collect", retention.collect, timedelta(seconds=15)),
                Periodic("refresh_bodies", retention.refresh, timedelta(hours=12)),
                Periodic("migrate_legacy_entries", migrate, MINUTE),
            ),
        )
    finally:
        await ingress.close()


def _deliverer(
    settings: Settings, shared: Shared, queue: MongoQueue, outcomes: OutcomeWriter, metrics: Metrics
) -> Deliverer:
    schedule = Schedule(
        settings.first_retry_delay, settings.longest_retry_delay, settings.give_up_after, settings.delay_notice_after
    )
    return Deliverer(
        bodies=queue.bodies,
        blobs=shared.blobs,
        outcomes=outcomes,
        schedule=schedule,
        metrics=metrics,
        hostname=settings.hostname,
        clock=shared.clock,
        emit=shared.bus.emit,
    )


def _reports(settings: Settings, shared: Shared, queue: MongoQueue, ingress: Client, metrics: Metrics) -> ReportSender:
    notifications = Notifications(
        IngressClient(ingress),
        hostname=settings.hostname,
        author=settings.notice_author,
        clock=shared.clock,
        return_limit_bytes=settings.return_limit_bytes,
    )
    return ReportSender(
        queue=ReportQueue(shared.mongo.database(NAME), queue.bodies, done_retention=settings.done_retention),
        bodies=queue.bodies,
        blobs=shared.blobs,
        reporter=notifications,
        dead_letters=DeadLetterQueue(shared.bus),
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
        timeouts=SmtpClientTimeouts(
            connection=settings.connect_timeout,
            command=settings.command_timeout,
            data=min(settings.command_timeout, timedelta(minutes=2)),
            final_dot=settings.final_dot_timeout,
        ),
        login=_login(settings),
        implicit_tls=settings.smarthost_implicit_tls,
        ca_file=settings.tls_ca_file,
    )


def _login(settings: Settings) -> SmtpLogin | None:
    if not settings.smarthost_user:
        return None
    if not settings.smarthost:
        raise ValueError("setting relay.smarthost: needed with smarthost_user, since a login goes to one server only")
    if settings.smarthost_password_file is None:
        raise ValueError("setting relay.smarthost_password_file: needed with smarthost_user")
    return SmtpLogin(settings.smarthost_user, settings.smarthost_password_file.read_text().strip())

"""Composition root of ingress."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from libs.http import MongoKeys
from libs.neighbours import AntispamClient, QuotaClient, RouterClient
from libs.runtime import Periodic, Service, Shared
from libs.tls import Certificates
from services.ingress import compose
from services.ingress.adapters.antispam import CachedScreening
from services.ingress.adapters.quota import CachedQuotas
from services.ingress.adapters.router import CachedDirectory
from services.ingress.admission import SmtpAdmission
from services.ingress.api import ABOUT
from services.ingress.api.messages import message_routes
from services.ingress.api.operation import operation_routes, peer_routes
from services.ingress.handlers import CacheInvalidation
from services.ingress.metrics import IngressMetrics
from services.ingress.peer_bans import PeerBans
from services.ingress.publisher import MessagePublisher
from services.ingress.settings import Settings
from services.ingress.smtp.context import SmtpContext
from services.ingress.smtp.server import SmtpServer
from services.ingress.submission import SubmissionHandler

NAME = "ingress"

__all__ = ["NAME", "Settings", "build"]


@asynccontextmanager
async def build(settings: Settings, shared: Shared) -> AsyncIterator[Service]:
    """Raises `ValueError` when there is no usable certificate, `Temporary` when MongoDB does not answer."""
    certificates = Certificates(await asyncio.to_thread(compose.certificate_files, settings))
    router, quota, antispam = (shared.client(settings, name) for name in ("router", "quota", "antispam"))
    # Router away: 451, for only the router knows which addresses exist.
    directory = CachedDirectory(RouterClient(router), ttl=settings.directory_cache_ttl, clock=time.monotonic)
    # Quota away: mail for mailboxes goes on, sending waits (451).
    quotas = CachedQuotas(QuotaClient(quota), ttl=settings.quota_cache_ttl, clock=time.monotonic)
    # Antispam away: no peer waits at RCPT, and honeypots and training addresses do not exist.
    screening = CachedScreening(AntispamClient(antispam), ttl=settings.directory_cache_ttl, clock=time.monotonic)
    blacklist, metrics = compose.blacklist(), IngressMetrics()
    bans = PeerBans(blacklist, shared.bus, shared.clock, settings.auth_ban_duration, settings.ban_exempt_networks)
    unconfirmed = compose.unconfirmed(settings)
    smtp = SmtpContext(
        settings=settings,
        admission=SmtpAdmission(compose.policy(settings), directory, quotas, QuotaClient(quota), screening),
        acceptance=compose.acceptance(settings),
        authenticator=compose.authenticator(settings, directory, bans),
        publisher=MessagePublisher(shared.outbox, shared.blobs, shared.clock, settings.publish_timeout, unconfirmed),
        blacklist=blacklist,
        budget=compose.budget(settings),
        duplicates=compose.duplicates(settings),
        certificates=certificates,
        timeouts=compose.timeouts(settings),
        metrics=metrics,
        healthy=lambda: shared.bus.healthy,
    )
    server = SmtpServer(smtp, compose.profiles(settings))
    keys = MongoKeys(shared.mongo.database(NAME), remember=settings.idempotency_window, clock=shared.clock)
    await keys.prepare()
    submissions = SubmissionHandler(
        smtp.admission, smtp.acceptance, smtp.publisher, keys, shared.clock, settings.max_line_octets
    )

    async def refresh_certificates() -> None:
        await asyncio.to_thread(certificates.refresh)

    try:
        yield Service(
            name=NAME,
            about=ABOUT,
            settings=settings,
            metrics=metrics,
            routers=(
                message_routes(submissions, smtp.budget, metrics, clock=shared.clock, hostname=settings.hostname),
                operation_routes(server.sessions),
                peer_routes(blacklist, clock=shared.clock, tell=bans.announce),
            ),
            event_handlers=CacheInvalidation(directory, quotas.forget, screening.forget, blacklist).table(),
            # Router away: every recipient is told 451.
            needs=("router",),
            listeners=(server,),
            background=(Periodic("certificates", refresh_certificates, settings.certificate_check_interval),),
            # base64 encodes three octets as four, and breaks lines (RFC 2045 6.8).
            body_limit_bytes=settings.largest_message_bytes * 7 // 5 + 1024 * 1024,
        )
    finally:
        await router.close()
        await quota.close()
        await antispam.close()

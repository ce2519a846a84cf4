"""Composition root of ingress."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from libs.http import MongoKeys
from libs.neighbours import AntispamClient, QuotaClient, RouterClient
from libs.runtime import Service, Shared
from libs.tls import CertificateFiles, Certificates
from services.ingress.adapters.antispam import CachedScreening
from services.ingress.adapters.quota import CachedQuotas
from services.ingress.adapters.router import CachedDirectory
from services.ingress.adapters.tls import self_signed
from services.ingress.admission import Admission, Policy
from services.ingress.api.messages import message_routes
from services.ingress.api.operation import operation_routes
from services.ingress.authentication import Authenticator
from services.ingress.banning import Banning
from services.ingress.domain.acceptance import Acceptance
from services.ingress.domain.blacklist import Blacklist
from services.ingress.domain.budget import Budget
from services.ingress.domain.duplicates import Duplicates
from services.ingress.domain.sequence import Profile
from services.ingress.domain.throttle import Throttle
from services.ingress.domain.timeouts import Timeouts
from services.ingress.domain.unconfirmed import Unconfirmed
from services.ingress.handlers import Attention
from services.ingress.metrics import IngressMetrics
from services.ingress.reception import Reception
from services.ingress.settings import Settings
from services.ingress.smtp.context import SmtpContext
from services.ingress.smtp.server import SmtpServer
from services.ingress.submitting import Submitting

NAME = "ingress"
MAX_KEYS = 100_000
# Messages that are remembered because their peers may send them again.
MAX_RETRIES = 10_000

__all__ = ["NAME", "Settings", "build"]


@asynccontextmanager
async def build(settings: Settings, shared: Shared) -> AsyncIterator[Service]:
    """Raises `ValueError` when there is no usable certificate, `Temporary` when MongoDB does not answer."""
    certificates = Certificates(await asyncio.to_thread(_certificate_files, settings))
    router, quota = shared.client(settings, "router"), shared.client(settings, "quota")
    # Router away: 451, for nobody else knows who is here. Quota away: mail for mailboxes goes on, sending waits (451).
    directory = CachedDirectory(RouterClient(router), ttl=settings.directory_cache, clock=time.monotonic)
    quotas = CachedQuotas(QuotaClient(quota), ttl=settings.quota_cache, clock=time.monotonic)
    blacklist = Blacklist(max_entries=MAX_KEYS, clock=time.time)
    banning = Banning(blacklist, shared.bus, shared.clock, settings.abuse_ban, settings.spared_networks)
    metrics = IngressMetrics()
    # Antispam away: nobody waits at RCPT, and honeypots and training addresses are addresses that nobody has.
    antispam = shared.client(settings, "antispam")
    screening = CachedScreening(AntispamClient(antispam), ttl=settings.directory_cache, clock=time.monotonic)
    admission = Admission(_policy(settings), directory, quotas, QuotaClient(quota), screening)
    acceptance = Acceptance(settings.max_received, settings.max_header_bytes, settings.max_header_count)
    unconfirmed = Unconfirmed(
        window=settings.unconfirmed_window.total_seconds(), max_entries=MAX_RETRIES, clock=time.monotonic
    )
    reception = Reception(shared.outbox, shared.blobs, shared.clock, settings.publish_deadline, unconfirmed)
    smtp = SmtpContext(
        settings=settings,
        admission=admission,
        acceptance=acceptance,
        authenticator=_authenticator(settings, directory, banning),
        reception=reception,
        blacklist=blacklist,
        budget=_budget(settings),
        duplicates=Duplicates(
            window=settings.duplicate_window.total_seconds(), max_entries=MAX_RETRIES, clock=time.monotonic
        ),
        certificates=certificates,
        timeouts=_timeouts(settings),
        metrics=metrics,
        healthy=lambda: shared.bus.healthy,
    )
    server = SmtpServer(smtp, _profiles(settings))
    keys = MongoKeys(shared.mongo.database(NAME), remember=settings.idempotency_window, clock=shared.clock)
    await keys.prepare()
    submitting = Submitting(admission, acceptance, reception, keys, shared.clock, settings.max_line_octets)

    async def watch_certificates() -> None:
        await certificates.watch(settings.certificate_check)

    try:
        yield Service(
            name=NAME,
            settings=settings,
            metrics=metrics,
            routers=(
                message_routes(submitting, smtp.budget, metrics, clock=shared.clock, hostname=settings.hostname),
                operation_routes(server.sessions, blacklist, clock=shared.clock, tell=banning.tell),
            ),
            event_handlers=Attention(directory, quotas.forget, screening.forget, blacklist).table(),
            # Router away: 451 to everybody.
            needs=("router",),
            listeners=(server,),
            background=(watch_certificates,),
            # base64 makes four octets of three, and breaks lines
            body_limit_bytes=settings.largest_message_bytes * 7 // 5 + 1024 * 1024,
        )
    finally:
        await router.close()
        await quota.close()
        await antispam.close()


def _profiles(settings: Settings) -> list[Profile]:
    """R-IN-01. A port of 0 switches a listener off."""
    profiles = [
        Profile("mx", settings.mx_port, offers_auth=settings.mx_offers_auth),
        Profile("submission", settings.submission_port, needs_tls=True, offers_auth=True, needs_auth=True),
        Profile("submissions", settings.submissions_port, implicit_tls=True, offers_auth=True, needs_auth=True),
    ]
    return [profile for profile in profiles if profile.port]


def _certificate_files(settings: Settings) -> CertificateFiles:
    if settings.certificate_file is not None:
        return CertificateFiles(settings.certificate_file, settings.certificate_key_file or settings.certificate_file)
    if not settings.self_signed:
        raise ValueError("ingress needs a TLS certificate: set certificate_file (and certificate_key_file)")
    return self_signed(settings.var_dir / "tls", settings.hostname)


def _policy(settings: Settings) -> Policy:
    return Policy(
        main_domain=settings.main_domain,
        max_recipients=settings.max_recipients,
        max_message_bytes=settings.max_message_bytes,
        largest_message_bytes=settings.largest_message_bytes,
        refuse_local_senders=settings.refuse_local_senders,
        send_without_quota=settings.send_without_quota,
    )


def _budget(settings: Settings) -> Budget:
    return Budget(
        max_messages=settings.max_messages_in_receipt,
        max_bytes=settings.max_bytes_in_receipt,
        peer_share=settings.max_share_per_peer,
        largest_bytes=settings.largest_message_bytes,
    )


def _timeouts(settings: Settings) -> Timeouts:
    def seconds(duration: timedelta) -> float:
        return duration.total_seconds()

    return Timeouts(
        greet_delay=seconds(settings.greet_delay),
        idle=seconds(settings.idle_timeout),
        command=seconds(settings.command_timeout),
        silence=seconds(settings.silence_timeout),
        grace=seconds(settings.slow_grace),
        min_rate=settings.min_bytes_per_second,
        whole=seconds(settings.message_timeout),
    )


def _authenticator(settings: Settings, directory: CachedDirectory, banning: Banning) -> Authenticator:
    def throttle(limit: int) -> Throttle:
        window = settings.auth_window.total_seconds()
        return Throttle(limit=limit, window=window, max_keys=MAX_KEYS, clock=time.monotonic)

    return Authenticator(
        directory=directory,
        addresses=throttle(settings.auth_failures_per_address),
        accounts=throttle(settings.auth_failures_per_account),
        first_delay=settings.auth_delay.total_seconds(),
        longest_delay=settings.auth_longest_delay.total_seconds(),
        abused=banning.guesses_passwords,
    )

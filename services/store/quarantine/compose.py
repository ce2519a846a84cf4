"""Composes the quarantine: its storage, its rules and its background work."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass
from typing import Any

import structlog
from prometheus_client import Counter

from libs.events import PolicyChanged
from libs.http import Client
from libs.neighbours import AntispamClient, IngressClient
from libs.runtime import EventHandler, Periodic, Shared
from libs.runtime.shared import make_secret
from libs.settings import WrongSetting
from libs.telemetry import Metrics
from services.store.mailboxes.mongo_bodies import MongoBodies
from services.store.mailboxes.schema import Collections
from services.store.quarantine.actions import QuarantineActions
from services.store.quarantine.antispam import AntispamLists, AntispamPolicies
from services.store.quarantine.captcha import Captcha
from services.store.quarantine.digest_sender import DigestSender
from services.store.quarantine.letters import QuarantineLetters
from services.store.quarantine.links import TokenSigner
from services.store.quarantine.mongo_digests import MongoDigests
from services.store.quarantine.mongo_notices import MongoNotices
from services.store.quarantine.mongo_quarantine import MongoQuarantine
from services.store.quarantine.mongo_rate_limits import MongoRateLimits
from services.store.quarantine.notice_sender import NoticeSender
from services.store.quarantine.sender_validation import SenderValidation
from services.store.settings import Settings

log = structlog.get_logger(__name__)

# Each captcha image takes a thread and some milliseconds of a core.
CONCURRENT_DRAWINGS = 2


@dataclass(frozen=True, slots=True)
class QuarantineService:
    """The parts of an open quarantine.

    `wake` starts a round of notices when mail was quarantined. `validation` is None without a public URL.
    """

    entries: MongoQuarantine
    actions: QuarantineActions
    wake: asyncio.Event
    validation: SenderValidation | None = None
    background: tuple[Periodic, ...] = ()
    event_handlers: tuple[EventHandler[Any], ...] = ()


def open_quarantine(
    settings: Settings,
    shared: Shared,
    metrics: Metrics,
    *,
    collections: Collections,
    bodies: MongoBodies,
    antispam: Client,
    ingress: Client,
) -> QuarantineService:
    """Raises `WrongSetting` when links are wanted and cannot be signed. Without a public URL there are no links.

    With antispam away notices and digests wait, and whitelisting by the API is answered with 503. With ingress away
    notices and digests wait.
    """
    entries = MongoQuarantine(shared.mongo, collections, bodies, clock=shared.clock, keep=settings.quarantine_keep)
    actions_total = metrics.counter(
        "facteur_store_quarantine_actions", "Releases and deletions of quarantined mail.", ("action", "by")
    )
    actions = QuarantineActions(
        entries, bodies, AntispamLists(AntispamClient(antispam)), shared.outbox, shared.bus, actions_total
    )
    wake, url = asyncio.Event(), public_url(settings)
    if not url:
        log.warning("public_url_missing", effect="no notices to senders, no digests, no public pages")
        return QuarantineService(entries, actions, wake)
    signer = TokenSigner(link_secrets(settings))
    policies = AntispamPolicies(AntispamClient(antispam), keep=settings.policy_cache)
    letters = QuarantineLetters(signer, url, settings.hostname, settings.quarantine_author)
    rates = MongoRateLimits(collections, clock=shared.clock)
    notice_queue = MongoNotices(collections, clock=shared.clock)
    notices = NoticeSender(
        queue=notice_queue,
        policies=policies,
        rates=rates,
        post=IngressClient(ingress),
        letters=letters,
        limits=settings.notice_limits,
        give_up_after=settings.notice_give_up_after,
        clock=shared.clock,
        outcomes=metrics.counter("facteur_store_quarantine_notices", "Notices to senders, by outcome.", ("outcome",)),
    )
    digests = _digests(settings, shared, metrics, collections, policies, letters, IngressClient(ingress))

    async def policy_changed(event: PolicyChanged) -> None:
        policies.forget(event.domain)

    answers = metrics.counter("facteur_store_captcha_answers", "Answers to captchas, by outcome.", ("outcome",))
    return QuarantineService(
        entries,
        actions,
        wake,
        _validation(settings, shared, signer, entries, notice_queue, actions, rates, answers),
        background=(
            Periodic("notices", notices.round, settings.notice_period, wake),
            Periodic("digests", digests.round, settings.digest_period),
        ),
        event_handlers=(EventHandler(PolicyChanged, policy_changed),),
    )


def _digests(
    settings: Settings,
    shared: Shared,
    metrics: Metrics,
    collections: Collections,
    policies: AntispamPolicies,
    letters: QuarantineLetters,
    ingress: IngressClient,
) -> DigestSender:
    return DigestSender(
        schedule=MongoDigests(collections, lease=settings.digest_lease, clock=shared.clock),
        policies=policies,
        post=ingress,
        letters=letters,
        hour=settings.digest_hour,
        clock=shared.clock,
        outcomes=metrics.counter("facteur_store_quarantine_digests", "Digests to accounts, by outcome.", ("outcome",)),
    )


def _validation(
    settings: Settings,
    shared: Shared,
    signer: TokenSigner,
    entries: MongoQuarantine,
    notices: MongoNotices,
    actions: QuarantineActions,
    rates: MongoRateLimits,
    answers: Counter,
) -> SenderValidation:
    return SenderValidation(
        signer=signer,
        captcha=Captcha(signer, keep=settings.captcha_keep),
        entries=entries,
        notices=notices,
        actions=actions,
        rates=rates,
        bus=shared.bus,
        limits=settings.page_limits,
        drawing=asyncio.Semaphore(CONCURRENT_DRAWINGS),
        nonce=lambda: secrets.token_urlsafe(18),
        clock=shared.clock,
        answers=answers,
    )


def public_url(settings: Settings) -> str:
    """Return the URL of the public pages. An internal address of a cluster would be useless to the outside world."""
    if settings.public_url or not settings.bus_url.startswith("embedded:"):
        return settings.public_url
    return f"http://127.0.0.1:{settings.port_of('store')}"


def link_secrets(settings: Settings) -> list[bytes]:
    """Read the secrets that sign links; embedded mode creates one. Raises `WrongSetting`."""
    path = settings.link_secret_file
    if settings.bus_url.startswith("embedded:"):
        make_secret(path)
    try:
        lines = path.read_bytes().split()
    except OSError as error:
        raise WrongSetting(f"setting store.link_secret_file: {path}: {error.strerror}") from error
    if not lines or min(map(len, lines)) < 32:
        raise WrongSetting(f"setting store.link_secret_file: {path}: each line needs 32 characters or more")
    return lines

"""The part of the composition root that is the quarantine's."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass
from typing import Any

import structlog
from fastapi import APIRouter

from libs.events import PolicyChanged
from libs.http import Client
from libs.letters import IngressPost
from libs.runtime import EventHandler, Periodic, Shared
from libs.runtime.shared import make_secret
from libs.settings import WrongSetting
from libs.telemetry import Metrics
from services.store.api.quarantine_pages import page_routes
from services.store.mailboxes.mongo_bodies import MongoBodies
from services.store.mailboxes.mongo_collections import Collections
from services.store.quarantine.antispam import AntispamLists, AntispamPolicies
from services.store.quarantine.captcha import Captcha
from services.store.quarantine.digests import Digests
from services.store.quarantine.letters import Letters
from services.store.quarantine.links import Signer
from services.store.quarantine.mongo_digests import MongoDigests
from services.store.quarantine.mongo_notices import MongoNotices
from services.store.quarantine.mongo_quarantine import MongoQuarantine
from services.store.quarantine.mongo_rates import MongoRates
from services.store.quarantine.notices import Notices
from services.store.quarantine.reception import Reception
from services.store.quarantine.warden import Warden
from services.store.settings import Settings

log = structlog.get_logger(__name__)

PUBLIC = "/public"
# Pictures drawn at a time: each takes a thread and some milliseconds of a core.
DRAWN_AT_ONCE = 2


@dataclass(frozen=True, slots=True)
class People:
    """What the service runs for people and their quarantine. `wake` says that something came in."""

    warden: Warden
    pages: tuple[APIRouter, ...]
    background: tuple[Periodic, ...]
    event_handlers: tuple[EventHandler[Any], ...]
    wake: asyncio.Event


def open_for_people(
    settings: Settings,
    shared: Shared,
    metrics: Metrics,
    *,
    collections: Collections,
    bodies: MongoBodies,
    held: MongoQuarantine,
    antispam: Client,
    ingress: Client,
) -> People:
    """Raises `WrongSetting` when links are wanted and cannot be signed; without an address there are no links at all.

    antispam away: notices and digests wait, whoever whitelists by API gets a 503. ingress away: letters wait.
    """
    acts = metrics.counter("facteur_store_quarantine_acts", "What was done with held mail.", ("act", "by"))
    warden = Warden(held, bodies, AntispamLists(antispam), shared.outbox, shared.bus, acts)
    wake, url = asyncio.Event(), public_url(settings)
    if not url:
        log.warning("no_public_url", effect="no notices to senders, no digests, no public pages")
        return People(warden, (), (), (), wake)
    clock, signer = shared.clock, Signer(link_secrets(settings))
    policies = AntispamPolicies(antispam, keep=settings.policy_cache)
    rates, ledger = MongoRates(collections, clock=clock), MongoNotices(collections, clock=clock)
    letters, post = Letters(signer, url, settings.hostname, settings.letter_author), IngressPost(ingress)
    notices = Notices(
        ledger=ledger,
        policies=policies,
        rates=rates,
        post=post,
        letters=letters,
        limits=settings.notice_limits,
        patience=settings.notice_patience,
        clock=clock,
        outcomes=metrics.counter("facteur_store_notices", "Notices to senders, by what became of them.", ("outcome",)),
    )
    digests = Digests(
        ledger=MongoDigests(collections, lease=settings.digest_lease, clock=clock),
        policies=policies,
        post=post,
        letters=letters,
        hour=settings.digest_hour,
        clock=clock,
        outcomes=metrics.counter("facteur_store_digests", "Digests to accounts, by what became of them.", ("outcome",)),
    )
    reception = Reception(
        signer=signer,
        captcha=Captcha(signer, keep=settings.captcha_keep),
        held=held,
        notices=ledger,
        warden=warden,
        rates=rates,
        bus=shared.bus,
        limits=settings.page_limits,
        drawing=asyncio.Semaphore(DRAWN_AT_ONCE),
        nonce=lambda: secrets.token_urlsafe(18),
        clock=clock,
        answers=metrics.counter("facteur_store_captchas", "Answers to captchas.", ("outcome",)),
    )

    async def policy_changed(event: PolicyChanged) -> None:
        policies.forget(event.domain)

    return People(
        warden,
        (page_routes(reception, proxies=settings.page_proxies),),
        (
            Periodic("notices", notices.round, settings.notice_period, wake),
            Periodic("digests", digests.round, settings.digest_period),
        ),
        (EventHandler(PolicyChanged, policy_changed),),
        wake,
    )


def public_url(settings: Settings) -> str:
    """Where the world finds the pages. An address of a cluster's inside would be of no use to anybody."""
    if settings.public_url or not settings.bus_url.startswith("embedded:"):
        return settings.public_url
    return f"http://127.0.0.1:{settings.port_of('store')}"


def link_secrets(settings: Settings) -> list[bytes]:
    """Embedded mode makes its own. Raises `WrongSetting`."""
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

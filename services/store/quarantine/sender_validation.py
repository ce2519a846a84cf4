"""What the pages do: a sender who shows that it is a person, the owner of a mailbox who decides."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from prometheus_client import Counter

from libs.bus import Bus
from libs.events import SenderValidated
from services.store.mailboxes.refusals import NotThere
from services.store.quarantine.actions import Warden
from services.store.quarantine.captcha import Captcha, Challenge
from services.store.quarantine.captcha_image import picture
from services.store.quarantine.links import BadToken, Link, Signer
from services.store.quarantine.model import Held
from services.store.quarantine.mongo_notices import MongoNotices
from services.store.quarantine.mongo_quarantine import MongoQuarantine
from services.store.quarantine.mongo_rate_limits import MongoRates
from services.store.quarantine.notice import Plan
from services.store.settings import PageLimits

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


class TooMany(Exception):
    """Of anything: come back later."""


class Unanswered(Exception):
    """`wrong`, or `stale`: the challenge was used, is too old, or belongs to another link."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a sender sees. `drawing` is a PNG."""

    held: Held
    plan: Plan
    challenge: Challenge
    drawing: bytes

    @property
    def postmasters(self) -> list[str]:
        """Whom a person may ask who cannot read the picture (RFC 5321 4.5.1)."""
        waiting = (to for to in self.held.envelope.recipients if to.address in self.plan.recipients)
        return [f"postmaster@{domain}" for domain in dict.fromkeys(to.domain for to in waiting if to.domain)]

    @property
    def recipients(self) -> list[str]:
        """As the sender wrote them."""
        return [to.original or to.address for to in self.held.envelope.recipients if to.address in self.plan.recipients]


@dataclass(frozen=True, slots=True)
class Validated:
    """Where the message went, and whose whitelist the sender is in."""

    recipients: tuple[str, ...]
    domains: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reception:
    """Methods raise `BadToken` or `NotThere` for a link that is good for nothing, `TooMany`, `Temporary`."""

    signer: Signer
    captcha: Captcha
    held: MongoQuarantine
    notices: MongoNotices
    warden: Warden
    rates: MongoRates
    bus: Bus
    limits: PageLimits
    drawing: asyncio.Semaphore
    nonce: Callable[[], str]
    clock: Callable[[], datetime]
    answers: Counter

    async def ask(self, token: str) -> Asked:
        """A new challenge. Showing it changes nothing: mail scanners open every link."""
        link = self.signer.link(token, "validate", self.clock())
        held, plan = await self._waiting(link)
        if not await self.rates.take("view", link.key, limit=self.limits.views_a_link_an_hour, window=HOUR):
            raise TooMany
        challenge = self.captcha.new(link, nonce=self.nonce(), now=self.clock())
        return Asked(held, plan, challenge, await self._drawn(challenge))

    async def validate(self, token: str, *, challenge: str, answer: str, address: str) -> Validated:
        """Deliver the message and whitelist its sender, if `answer` is right. Raises `Unanswered`."""
        link = self.signer.link(token, "validate", self.clock())
        held, plan = await self._waiting(link)
        await self._bounded(link, address)
        await self._checked(link, challenge, answer)
        recipients = await self._released(held, plan)
        self.answers.labels("right").inc()
        return Validated(recipients, plan.whitelists)

    async def owned(self, token: str) -> tuple[Held, list[str]]:
        """What waits for the owner of the link, and for which of its addresses."""
        link = self.signer.link(token, "own", self.clock())
        held = await self.held.get(link.held)
        addresses = [to.address for to in held.envelope.recipients if to.address in link.recipients]
        if not addresses:
            raise NotThere("nothing waits for it any more")
        return held, addresses

    async def release(self, token: str) -> tuple[str, ...]:
        """To the owner of the link. Raises `Conflicting` for malware."""
        held, addresses = await self.owned(token)
        return await self.warden.release(held, addresses, by="account")

    async def delete(self, token: str) -> None:
        """For the owner of the link; others wait on."""
        held, addresses = await self.owned(token)
        await self.warden.delete(held, addresses, by="account")

    async def _waiting(self, link: Link) -> tuple[Held, Plan]:
        held, plan = await self.held.get(link.held), await self.notices.plan_of(link.held)
        waiting = {to.address for to in held.envelope.recipients}
        if plan is None or not waiting.intersection(plan.recipients):
            raise NotThere("nothing waits for it any more")
        return held, plan

    async def _bounded(self, link: Link, address: str) -> None:
        """The link first: a stranger's tries with his own link use up nobody else's."""
        limits = self.limits
        if not await self.rates.take("answer link", link.key, limit=limits.answers_a_link_a_day, window=DAY):
            raise TooMany
        if not await self.rates.take("answer from", address, limit=limits.answers_an_address_an_hour, window=HOUR):
            raise TooMany

    async def _checked(self, link: Link, token: str, answer: str) -> None:
        now = self.clock()
        try:
            challenge = self.captcha.known(token, link, now)
        except BadToken:
            self.answers.labels("stale").inc()
            raise Unanswered("stale") from None
        if not await self.rates.once(challenge.nonce, until=now + self.captcha.keep):
            self.answers.labels("stale").inc()
            raise Unanswered("stale")
        if not challenge.accepts(answer):
            self.answers.labels("wrong").inc()
            raise Unanswered("wrong")

    async def _released(self, held: Held, plan: Plan) -> tuple[str, ...]:
        """Trust first: with its last recipient the entry goes, and nobody could come back for what was forgotten."""
        for domain in plan.whitelists:
            fact = SenderValidated(domain=domain, address=held.envelope.mail_from.lower())
            await self.bus.emit(fact.to_bus())
        released = await self.warden.release(held, plan.recipients, by="sender")
        original = {to.address: to.original or to.address for to in held.envelope.recipients}
        return tuple(original[address] for address in released)

    async def _drawn(self, challenge: Challenge) -> bytes:
        seed = self.signer.digest("noise", challenge.nonce)
        async with self.drawing:
            return await asyncio.to_thread(picture, challenge.answer, seed)

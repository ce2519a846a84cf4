"""What the pages do: a sender who shows that it is a person, the owner of a mailbox who decides."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from prometheus_client import Counter

from libs.bus import Bus
from libs.events import SenderValidated
from services.store.mailboxes.refusals import NotFound
from services.store.quarantine.actions import QuarantineActions
from services.store.quarantine.captcha import Captcha, Challenge
from services.store.quarantine.captcha_image import picture
from services.store.quarantine.links import InvalidToken, QuarantineLink, TokenSigner
from services.store.quarantine.model import QuarantinedMessage
from services.store.quarantine.mongo_notices import MongoNotices
from services.store.quarantine.mongo_quarantine import MongoQuarantine
from services.store.quarantine.mongo_rate_limits import MongoRateLimits
from services.store.quarantine.notice import NoticePlan
from services.store.settings import PageLimits

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


class TooManyAttempts(Exception):
    """Of anything: come back later."""


class CaptchaFailed(Exception):
    """`wrong`, or `stale`: the challenge was used, is too old, or belongs to another link."""


@dataclass(frozen=True, slots=True)
class CaptchaPrompt:
    """What a sender sees. `drawing` is a PNG."""

    held: QuarantinedMessage
    plan: NoticePlan
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
class ValidationResult:
    """Where the message went, and whose whitelist the sender is in."""

    recipients: tuple[str, ...]
    domains: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SenderValidation:
    """Methods raise `InvalidToken` or `NotFound` for a link that is not valid, `TooManyAttempts`, `Temporary`."""

    signer: TokenSigner
    captcha: Captcha
    entries: MongoQuarantine
    notices: MongoNotices
    actions: QuarantineActions
    rates: MongoRateLimits
    bus: Bus
    limits: PageLimits
    drawing: asyncio.Semaphore
    nonce: Callable[[], str]
    clock: Callable[[], datetime]
    answers: Counter

    async def prompt(self, token: str) -> CaptchaPrompt:
        """A new challenge. Showing it changes nothing: mail scanners open every link."""
        link = self.signer.link(token, "validate", self.clock())
        held, plan = await self._waiting(link)
        if not await self.rates.allow("view", link.key, limit=self.limits.views_a_link_an_hour, window=HOUR):
            raise TooManyAttempts
        challenge = self.captcha.issue(link, nonce=self.nonce(), now=self.clock())
        return CaptchaPrompt(held, plan, challenge, await self._draw(challenge))

    async def validate(self, token: str, *, challenge: str, answer: str, address: str) -> ValidationResult:
        """Deliver the message and whitelist its sender, if `answer` is right. Raises `CaptchaFailed`."""
        link = self.signer.link(token, "validate", self.clock())
        held, plan = await self._waiting(link)
        await self._check_rate(link, address)
        await self._check_answer(link, challenge, answer)
        recipients = await self._release(held, plan)
        self.answers.labels("correct").inc()
        return ValidationResult(recipients, plan.whitelists)

    async def message_for_owner(self, token: str) -> tuple[QuarantinedMessage, list[str]]:
        """What waits for the owner of the link, and for which of its addresses."""
        link = self.signer.link(token, "own", self.clock())
        held = await self.entries.get(link.entry)
        addresses = [to.address for to in held.envelope.recipients if to.address in link.recipients]
        if not addresses:
            raise NotFound("nothing waits for it any more")
        return held, addresses

    async def release(self, token: str) -> tuple[str, ...]:
        """To the owner of the link. Raises `Conflict` for malware."""
        held, addresses = await self.message_for_owner(token)
        return await self.actions.release(held, addresses, by="account")

    async def delete(self, token: str) -> None:
        """For the owner of the link; others wait on."""
        held, addresses = await self.message_for_owner(token)
        await self.actions.delete(held, addresses, by="account")

    async def _waiting(self, link: QuarantineLink) -> tuple[QuarantinedMessage, NoticePlan]:
        held, plan = await self.entries.get(link.entry), await self.notices.plan_of(link.entry)
        waiting = {to.address for to in held.envelope.recipients}
        if plan is None or not waiting.intersection(plan.recipients):
            raise NotFound("nothing waits for it any more")
        return held, plan

    async def _check_rate(self, link: QuarantineLink, address: str) -> None:
        """The link first: a stranger's tries with his own link use up nobody else's."""
        limits = self.limits
        if not await self.rates.allow("answer link", link.key, limit=limits.answers_a_link_a_day, window=DAY):
            raise TooManyAttempts
        if not await self.rates.allow("answer from", address, limit=limits.answers_an_address_an_hour, window=HOUR):
            raise TooManyAttempts

    async def _check_answer(self, link: QuarantineLink, token: str, answer: str) -> None:
        now = self.clock()
        try:
            challenge = self.captcha.verify(token, link, now)
        except InvalidToken:
            self.answers.labels("stale").inc()
            raise CaptchaFailed("stale") from None
        if not await self.rates.use_once(challenge.nonce, until=now + self.captcha.keep):
            self.answers.labels("stale").inc()
            raise CaptchaFailed("stale")
        if not challenge.accepts(answer):
            self.answers.labels("wrong").inc()
            raise CaptchaFailed("wrong")

    async def _release(self, held: QuarantinedMessage, plan: NoticePlan) -> tuple[str, ...]:
        """Trust first: with its last recipient the entry goes, and nobody could come back for what was forgotten."""
        for domain in plan.whitelists:
            fact = SenderValidated(domain=domain, address=held.envelope.mail_from.lower())
            await self.bus.emit(fact.to_bus())
        released = await self.actions.release(held, plan.recipients, by="sender")
        original = {to.address: to.original or to.address for to in held.envelope.recipients}
        return tuple(original[address] for address in released)

    async def _draw(self, challenge: Challenge) -> bytes:
        seed = self.signer.digest("noise", challenge.nonce)
        async with self.drawing:
            return await asyncio.to_thread(picture, challenge.answer, seed)

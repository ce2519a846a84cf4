"""The actions of the public pages: a sender solves a captcha, an account decides on its held mail."""

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
    """A rate limit is exceeded."""


class CaptchaFailed(Exception):
    """`wrong`, or `stale`: the challenge was used, has expired, or belongs to another link."""


@dataclass(frozen=True, slots=True)
class CaptchaPrompt:
    """The content of the captcha page. `drawing` is a PNG."""

    held: QuarantinedMessage
    plan: NoticePlan
    challenge: Challenge
    drawing: bytes

    @property
    def postmasters(self) -> list[str]:
        """Return the contacts for people who cannot read the image (RFC 5321 4.5.1)."""
        waiting = (to for to in self.held.envelope.recipients if to.address in self.plan.recipients)
        return [f"postmaster@{domain}" for domain in dict.fromkeys(to.domain for to in waiting if to.domain)]

    @property
    def recipients(self) -> list[str]:
        """Return the recipients as the sender wrote them."""
        return [to.original or to.address for to in self.held.envelope.recipients if to.address in self.plan.recipients]


@dataclass(frozen=True, slots=True)
class ValidationResult:
    """The recipients the message was released to, and the domains that whitelist the sender."""

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
        """Issue a challenge. It changes nothing: mail scanners open every link."""
        link = self.signer.link(token, "validate", self.clock())
        held, plan = await self._waiting(link)
        if not await self.rates.allow("view", link.key, limit=self.limits.views_a_link_an_hour, window=HOUR):
            raise TooManyAttempts
        challenge = self.captcha.issue(link, nonce=self.nonce(), now=self.clock())
        return CaptchaPrompt(held, plan, challenge, await self._draw(challenge))

    async def validate(self, token: str, *, challenge: str, answer: str, address: str) -> ValidationResult:
        """Release the message and whitelist its sender if `answer` is right. Raises `CaptchaFailed`."""
        link = self.signer.link(token, "validate", self.clock())
        held, plan = await self._waiting(link)
        await self._check_rate(link, address)
        await self._check_answer(link, challenge, answer)
        recipients = await self._release(held, plan)
        self.answers.labels("correct").inc()
        return ValidationResult(recipients, plan.whitelists)

    async def message_for_owner(self, token: str) -> tuple[QuarantinedMessage, list[str]]:
        """Return the message of an account's link, and the addresses of the account that it is held for."""
        link = self.signer.link(token, "own", self.clock())
        held = await self.entries.get(link.entry)
        addresses = [to.address for to in held.envelope.recipients if to.address in link.recipients]
        if not addresses:
            raise NotFound("the message is not held any more")
        return held, addresses

    async def release(self, token: str) -> tuple[str, ...]:
        """Release the message to the account of the link. Raises `Conflict` for malware."""
        held, addresses = await self.message_for_owner(token)
        return await self.actions.release(held, addresses, by="account")

    async def delete(self, token: str) -> None:
        """Delete the message for the account of the link; it stays held for other recipients."""
        held, addresses = await self.message_for_owner(token)
        await self.actions.delete(held, addresses, by="account")

    async def _waiting(self, link: QuarantineLink) -> tuple[QuarantinedMessage, NoticePlan]:
        held, plan = await self.entries.get(link.entry), await self.notices.plan_of(link.entry)
        waiting = {to.address for to in held.envelope.recipients}
        if plan is None or not waiting.intersection(plan.recipients):
            raise NotFound("the message is not held any more")
        return held, plan

    async def _check_rate(self, link: QuarantineLink, address: str) -> None:
        """Check the limit of the link first: attempts with one link use up no other limit."""
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
        """Whitelist first: releasing to the last recipient deletes the entry, and no attempt could follow."""
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

"""Sends digests: the messages quarantined in a period, once to each account."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from prometheus_client import Counter

from libs.envelope import Permanent, Temporary
from libs.runtime.periodic import each
from services.store.quarantine.digest import DigestBuilder, DigestContent, DigestPeriod, period_due
from services.store.quarantine.letters import QuarantineLetters
from services.store.quarantine.notice import NoticePolicy
from services.store.quarantine.ports import DigestSchedule, MailSubmission, NoticePolicies

log = structlog.get_logger(__name__)

# How long failed digests are retried, whenever a lease ends. Less than ingress remembers an idempotency key.
GIVE_UP_AFTER = timedelta(hours=12)


@dataclass(frozen=True, slots=True)
class DigestSender:
    """`hour` is the hour of the day, in UTC, at which a period ends."""

    schedule: DigestSchedule
    policies: NoticePolicies
    post: MailSubmission
    letters: QuarantineLetters
    hour: int
    clock: Callable[[], datetime]
    outcomes: Counter

    async def round(self) -> None:
        """Send the digests of every domain that are due. A digest that fails now is sent in a later round."""
        await each(filter(None, await self.schedule.domains()), self._known_domain, park=self._put_off)

    async def _put_off(self, domain: str, reason: str) -> None:
        """Leave the period unsent; its lease keeps the domain from failing in every round."""
        log.error("digest_failed", domain=domain, reason=reason)
        self.outcomes.labels("failed").inc()

    async def _known_domain(self, domain: str) -> None:
        try:
            await self._domain(domain)
        except Permanent as error:  # a remote domain: outgoing mail to it was quarantined
            log.debug("digest_skipped", domain=domain, reason=error.reason)

    async def _domain(self, domain: str) -> None:
        policy = await self.policies.of(domain)
        if policy.digest == "off":
            return
        until = await self.schedule.sent_until(domain)
        period = period_due(policy.digest, hour=self.hour, sent_until=until, now=self.clock())
        if period is None or not await self.schedule.claim(domain, period):
            return
        builder = DigestBuilder(domain)
        async for held in self.schedule.entries(domain, period):
            builder.add(held)
        missing = 0
        for account, told in builder.accounts.items():
            try:
                await self._account(account, told, period, policy, domain)
            except Temporary as error:  # perhaps a full mailbox: the other accounts get their digest
                missing += 1
                log.warning("digest_deferred", domain=domain, reason=error.reason)
        if not missing or self.clock() > period.until + GIVE_UP_AFTER:
            await self.schedule.complete(domain, period)

    async def _account(
        self, account: str, told: DigestContent, period: DigestPeriod, policy: NoticePolicy, domain: str
    ) -> None:
        """Raises `Temporary`. A digest that can never be sent counts as sent: the next digest of the account is another
        one.
        """
        if await self.schedule.was_sent(account, domain, period):
            return
        try:
            outcome = await self._sent(account, told, period, policy, domain)
        except Temporary:
            raise
        except Exception as error:
            log.error("digest_failed", domain=domain, exc_info=error)
            outcome = "failed"
        self.outcomes.labels(outcome).inc()
        await self.schedule.mark_sent(account, domain, period)

    async def _sent(
        self, account: str, told: DigestContent, period: DigestPeriod, policy: NoticePolicy, domain: str
    ) -> str:
        letter = await asyncio.to_thread(
            self.letters.digest, account, told, language=policy.language, domain=domain, now=self.clock()
        )
        try:
            await self.post.send(letter, to=account, key=f"digest:{domain}:{account}:{period.until.isoformat()}")
        except Permanent as error:  # suspended, or deleted meanwhile: the other accounts get their digest
            log.warning("digest_refused", reason=error.reason)
            return "refused"
        return "sent"

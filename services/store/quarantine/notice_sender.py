"""Sends notices to senders of held mail: each is decided once, sent once, and retried while it fails.

due ─▶ decided ─▶ sent, refused, or failed (a bug, with its reason). Each step is recorded before the next one; the
message has an idempotency key, so that a crash between sending and recording sends no second one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from prometheus_client import Counter

from libs.envelope import Permanent, Temporary
from libs.network import network_of
from libs.runtime.periodic import each
from services.store.quarantine.letters import QuarantineLetters
from services.store.quarantine.links import QuarantineLink
from services.store.quarantine.model import QuarantinedMessage
from services.store.quarantine.mongo_notices import MongoNotices
from services.store.quarantine.mongo_rate_limits import MongoRateLimits
from services.store.quarantine.notice import NoticeClaim, NoticePlan, held_as_spam, plan_notice
from services.store.quarantine.ports import MailSubmission, NoticePolicies
from services.store.settings import NoticeLimits

log = structlog.get_logger(__name__)

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@dataclass(frozen=True, slots=True)
class NoticeSender:
    """`give_up_after` is how long a notice is tried; it must be shorter than ingress remembers an idempotency key."""

    queue: MongoNotices
    policies: NoticePolicies
    rates: MongoRateLimits
    post: MailSubmission
    letters: QuarantineLetters
    limits: NoticeLimits
    give_up_after: timedelta
    clock: Callable[[], datetime]
    outcomes: Counter

    async def round(self) -> None:
        """Send every notice that is due. Raises `Temporary` when the database does not answer."""
        await each(self._claims(), self._process, park=self._fail)

    async def _claims(self) -> AsyncIterator[NoticeClaim]:
        while claim := await self.queue.claim():
            yield claim

    async def _fail(self, claim: NoticeClaim, reason: str) -> None:
        """No further attempt can succeed: the mail waits for an administrator, and the entry has the reason."""
        log.error("notice_failed", id=claim.held.envelope.id, reason=reason)
        await self.queue.finish(claim.held.id, state="failed", reason=reason)
        self.outcomes.labels("failed").inc()

    async def _process(self, claim: NoticeClaim) -> None:
        """A notice that fails now holds up no other one. Raises `Temporary` for the database alone."""
        id = claim.held.id
        if self.clock() - claim.held.at > self.give_up_after:
            await self._refuse(id, "expired")
            return
        try:
            plan = claim.plan or await self._decide(claim.held)
            if plan is not None:
                await self._send(claim.held, plan)
        except Temporary as error:
            log.warning("notice_deferred", id=claim.held.envelope.id, tries=claim.tries, reason=error.reason)
            self.outcomes.labels("deferred").inc()
        except Permanent as error:
            log.warning("notice_refused", id=claim.held.envelope.id, reason=error.reason)
            await self._refuse(id, "rejected")
        else:
            if plan is not None:
                await self.queue.finish(id, state="sent")
                self.outcomes.labels("sent").inc()

    async def _decide(self, held: QuarantinedMessage) -> NoticePlan | None:
        policies = {to.domain: await self.policies.of(to.domain) for to in held_as_spam(held.envelope)}
        plan = plan_notice(held.envelope, policies)
        if plan is None:
            await self._refuse(held.id, "policy")
        elif await self.queue.has_sibling(held):
            await self._refuse(held.id, "already_sent")
        elif not await self._within_limits(held, plan):
            await self._refuse(held.id, "limit")
        elif await self.queue.record_decision(held.id, plan):
            return plan
        return None

    async def _within_limits(self, held: QuarantinedMessage, plan: NoticePlan) -> bool:
        """Check the narrowest limit first, so that one sender does not use up the limit of all."""
        limits, envelope = self.limits, held.envelope
        domains = sorted({to.domain for to in envelope.recipients if to.address in plan.recipients})
        wanted = [
            ("notice to", envelope.mail_from.lower(), limits.per_sender_a_day, DAY),
            ("notice for peer", network_of(envelope.peer.address), limits.per_peer_an_hour, HOUR),
            *(("notice for domain", domain, limits.per_domain_an_hour, HOUR) for domain in domains),
            ("notice", "", limits.in_total_an_hour, HOUR),
        ]
        for what, key, limit, window in wanted:
            if not await self.rates.allow(what, key, limit=limit, window=window):
                return False
        return True

    async def _send(self, held: QuarantinedMessage, plan: NoticePlan) -> None:
        link = QuarantineLink("validate", held.id, held.expires_at)
        domain = next((to.domain for to in held.envelope.recipients if to.address in plan.recipients), "")
        if not domain:
            raise Permanent("the message is held for no recipient any more")
        letter = await asyncio.to_thread(self.letters.notice, held, plan, link, domain=domain, now=self.clock())
        await self.post.send(letter, to=held.envelope.mail_from, key=f"notice:{held.envelope.id}")

    async def _refuse(self, id: str, reason: str) -> None:
        await self.queue.finish(id, state="refused", reason=reason)
        self.outcomes.labels(reason).inc()

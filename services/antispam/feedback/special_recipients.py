"""Processes mail for special recipients, training addresses and honeypots, which no mailbox gets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from libs.envelope import Envelope, Mail, Recipient, queues
from libs.mail.originals import Original, attached_to
from libs.runtime import Route
from services.antispam.feedback.feedback import Feedback
from services.antispam.feedback.screening import HONEYPOT, TRAINING
from services.antispam.filtering.context import FilterEnvironment
from services.antispam.filtering.rulebook_cache import RulebookCache
from services.antispam.learning.samples import TRAINING_ADDRESSES
from services.antispam.message.mail_view import MailView
from services.antispam.policy.policy import DEFAULT
from services.antispam.reputation.blacklisted_peers import BlacklistedPeer

log = structlog.get_logger(__name__)

REASON = "honeypot"  # of the quarantine, which sends no notice to the sender of such mail


class HoneypotHits(Protocol):
    """The stored honeypots, which count their messages."""

    async def record_hits(self, addresses: Sequence[str], now: datetime) -> None:
        """Count a message to each of the addresses. Raises `Temporary`."""


class PeerBlacklisting(Protocol):
    """The blacklist of peers."""

    async def blacklist(self, peer: BlacklistedPeer) -> None:
        """Blacklist a peer in all services. Raises `Temporary`."""


@dataclass(frozen=True, slots=True)
class SpecialRecipients:
    """The handler of special recipients.

    A peer that sends to a honeypot is blacklisted for `ban_duration`; with `trains` its mail is learned as spam in the
    statistics for all domains.
    """

    rulebooks: RulebookCache
    environment: FilterEnvironment
    peers: PeerBlacklisting
    honeypot_hits: HoneypotHits
    user_feedback: Feedback
    clock: Callable[[], datetime]
    ban_duration: timedelta
    trains: bool

    async def process(self, mail: Mail) -> Sequence[Route]:
        """Process the special recipients and return the routes of their mail. Raises `Temporary`.

        A failure is tried again from the start, and only the number of hits grows twice by that.
        """
        recipients = mail.envelope.recipients
        for recipient in recipients:
            if recipient.purpose == TRAINING:
                await self._train(mail, recipient)
        honeypots = tuple(recipient for recipient in recipients if recipient.purpose == HONEYPOT)
        return (await self._quarantine(mail, honeypots),) if honeypots else ()

    async def _train(self, mail: Mail, recipient: Recipient) -> None:
        """Learn the attached messages. Ingress accepts such mail from managers only."""
        domain = recipient.domain
        kind = TRAINING_ADDRESSES[_local_part(recipient)]
        trainer = mail.envelope.peer.account or mail.envelope.mail_from
        originals: list[Original] = await asyncio.to_thread(lambda: list(attached_to(mail.raw)))
        for original in originals:
            await self.user_feedback.train(original, kind, scope=domain)
            await self.user_feedback.record_complaint(original, kind, complainant=trainer)
        log.info("training_mail_learned", id=mail.envelope.id, kind=kind, domain=domain, messages=len(originals))

    async def _quarantine(self, mail: Mail, honeypots: tuple[Recipient, ...]) -> Route:
        now, view = self.clock(), MailView(mail)
        addresses = [f"{_local_part(recipient)}@{recipient.domain}" for recipient in honeypots]
        await self.honeypot_hits.record_hits(addresses, now)
        if view.peer is not None and not await self._is_exempt(view, honeypots[0].domain):
            await self.peers.blacklist(BlacklistedPeer(str(view.peer), now + self.ban_duration, "wrote to a honeypot"))
        if self.trains:
            await self.user_feedback.train(Original(mail.raw), "spam", scope=DEFAULT)
        log.info("honeypot_mail_quarantined", id=mail.envelope.id, domain=honeypots[0].domain)
        held = mail.envelope.model_copy(update={"recipients": honeypots, "quarantine_reason": REASON})
        return Route(queues.QUARANTINE, mail.with_envelope(held))

    async def _is_exempt(self, view: MailView, domain: str) -> bool:
        """Return whether the peer is trusted or whitelisted, and so may send mail of many other users."""
        peer = view.peer
        if peer is None or self.environment.trusts(peer):
            return True
        rules = await self.rulebooks.rules_for(domain)
        return any(book.white.entry_for_peer(peer) for book in rules.books)


def _local_part(recipient: Recipient) -> str:
    """Return the local part: the address may be in an alias domain, but special addresses are in the main domain."""
    return recipient.address.lower().rpartition("@")[0]


def is_special(envelope: Envelope) -> bool:
    """Return whether any recipient is special."""
    return any(recipient.purpose for recipient in envelope.recipients)


def without_special(envelope: Envelope) -> Envelope | None:
    """Return the envelope for the ordinary recipients, None when there are none."""
    others = tuple(recipient for recipient in envelope.recipients if not recipient.purpose)
    return envelope.to(others) if others else None

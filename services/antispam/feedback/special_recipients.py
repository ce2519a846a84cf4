"""Mail for addresses that are antispam's own: it ends here, and in no mailbox (R-SPAM-12, R-SPAM-43)."""

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
from services.antispam.feedback.screening import HONEYPOT, TRAINER
from services.antispam.filtering.context import FilterEnvironment
from services.antispam.filtering.rulebook_cache import RulebookCache
from services.antispam.learning.samples import TRAINING
from services.antispam.message.mail_view import MailView
from services.antispam.policy.policy import DEFAULT
from services.antispam.reputation.blacklisted_peers import BlacklistedPeer
from services.antispam.reputation.peer_blacklist import PeerBlacklist

log = structlog.get_logger(__name__)

REASON = "honeypot"  # of the quarantine: the sender of such mail is told nothing


class HoneypotHits(Protocol):
    """Where hits are counted."""

    async def record_hits(self, addresses: Sequence[str], now: datetime) -> None:
        """Raises `Temporary`."""


@dataclass(frozen=True, slots=True)
class SpecialRecipients:
    """`ban` is for how long a peer is refused; `learns`: what came to a honeypot is learned as spam, for all."""

    rulebooks: RulebookCache
    environment: FilterEnvironment
    peers: PeerBlacklist
    honeypot_hits: HoneypotHits
    user_feedback: Feedback
    clock: Callable[[], datetime]
    ban: timedelta
    learns: bool

    async def process(self, mail: Mail) -> Sequence[Route]:
        """For the recipients with a purpose; where the rest goes is not decided here. Raises `Temporary`.

        Whatever fails is tried again from the start, and nothing here happens twice by it but the count of hits.
        """
        recipients = mail.envelope.recipients
        for recipient in recipients:
            if recipient.purpose == TRAINER:
                await self._train(mail, recipient)
        trapped = tuple(recipient for recipient in recipients if recipient.purpose == HONEYPOT)
        return (await self._trap(mail, trapped),) if trapped else ()

    async def _train(self, mail: Mail, recipient: Recipient) -> None:
        """Ingress let in nobody but a manager."""
        domain = recipient.domain
        kind, who = TRAINING[_local_part(recipient)], mail.envelope.peer.account or mail.envelope.mail_from
        originals: list[Original] = await asyncio.to_thread(lambda: list(attached_to(mail.raw)))
        for original in originals:
            await self.user_feedback.teach(original, kind, scope=domain)
            await self.user_feedback.complain(original, kind, who=who)
        log.info("mail_learned", id=mail.envelope.id, kind=kind, domain=domain, messages=len(originals))

    async def _trap(self, mail: Mail, trapped: tuple[Recipient, ...]) -> Route:
        now, view = self.clock(), MailView(mail)
        await self.honeypot_hits.record_hits(
            [f"{_local_part(recipient)}@{recipient.domain}" for recipient in trapped], now
        )
        if view.peer is not None and not await self._spares(view, trapped[0].domain):
            await self.peers.blacklist(BlacklistedPeer(str(view.peer), now + self.ban, "wrote to a honeypot"))
        if self.learns:
            await self.user_feedback.teach(Original(mail.raw), "spam", scope=DEFAULT)
        log.info("honeypot_hit", id=mail.envelope.id, domain=trapped[0].domain)
        held = mail.envelope.model_copy(update={"recipients": trapped, "quarantine_reason": REASON})
        return Route(queues.QUARANTINE, mail.with_envelope(held))

    async def _spares(self, view: MailView, domain: str) -> bool:
        """Machines of ours, and those that an administrator trusts: behind them are many."""
        peer = view.peer
        if peer is None or self.environment.trusts(peer):
            return True
        rules = await self.rulebooks.rules_for(domain)
        return any(book.white.entry_for_peer(peer) for book in rules.books)


def _local_part(recipient: Recipient) -> str:
    """The address may lie in an alias domain; what it is known by lies in the main one."""
    return recipient.address.lower().rpartition("@")[0]


def is_special(envelope: Envelope) -> bool:
    """Whether any recipient is antispam's own."""
    return any(recipient.purpose for recipient in envelope.recipients)


def without_special(envelope: Envelope) -> Envelope | None:
    """For the others; None when there are none."""
    others = tuple(recipient for recipient in envelope.recipients if not recipient.purpose)
    return envelope.to(others) if others else None

"""What people teach without an API: moves into and out of Junk, mail to training addresses; and what they complain of.

A sample is told by the digest of the message as it came, so that the same from several hands is one sample, and the
opposite moves it (R-SPAM-43). Whoever says spam complains about peer and sender (R-SPAM-13, R-SPAM-28).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Literal, Protocol

from libs.events import JunkMoved
from libs.mail.originals import Original, original_of
from services.antispam.learning.learner import Learner
from services.antispam.learning.model import MailClass
from services.antispam.learning.samples import TrainingSample
from services.antispam.message.content import tokens_of
from services.antispam.policy.policy import DEFAULT
from services.antispam.reputation.complaints import ComplaintSubject, subjects_of

_AT_ONCE = 8  # messages in memory


class Complaints(Protocol):
    """Who complained about whom. All methods raise `Temporary`."""

    async def complain(self, subjects: Sequence[ComplaintSubject], who: str, now: datetime) -> None: ...
    async def withdraw(self, subjects: Sequence[ComplaintSubject], who: str, now: datetime) -> None: ...


class Messages(Protocol):
    """The mailboxes."""

    async def raw(self, mailbox: str, id: str) -> bytes | None:
        """None when it is gone. Raises `Temporary`, `Permanent`."""


class Feedback:
    """`moves_teach` is whose statistics learn from moves: those of the mailbox's domain, those for all, or nobody's."""

    def __init__(
        self,
        *,
        learner: Learner,
        complaints: Complaints,
        messages: Messages,
        moves_teach: Literal["domain", "all", "none"],
        clock: Callable[[], datetime],
    ) -> None:
        self._learner = learner
        self._complaints = complaints
        self._messages = messages
        self._moves_teach = moves_teach
        self._clock = clock

    async def teach(self, original: Original, kind: MailClass | None, *, scope: str) -> MailClass | None:
        """What the message was learned as before; None for `kind` forgets it. Raises `Temporary`."""
        return await self._learner.learn(await asyncio.to_thread(_lesson, original.raw, kind, scope))

    async def complain(self, original: Original, kind: MailClass | None, *, who: str) -> None:
        """`who` says that it is spam, or takes it back. Raises `Temporary`."""
        if original.submitted:  # of one of ours: the peer is the client of a colleague
            return
        subjects = subjects_of(sender=original.sender, peer=original.peer)
        if subjects and kind == "spam":
            await self._complaints.complain(subjects, who, self._clock())
        elif subjects:
            await self._complaints.withdraw(subjects, who, self._clock())

    async def junk_moved(self, fact: JunkMoved) -> None:
        """Somebody moved messages into Junk or out of it; again changes nothing. Raises `Temporary`."""
        hands = asyncio.Semaphore(_AT_ONCE)

        async def one(id: str) -> None:
            async with hands:
                await self._moved(fact.mailbox, id, "spam" if fact.spam else "ham")

        for result in await asyncio.gather(*map(one, fact.ids), return_exceptions=True):
            if result is not None:
                raise result

    async def _moved(self, mailbox: str, id: str, kind: MailClass) -> None:
        raw = await self._messages.raw(mailbox, id)
        if raw is None:  # deleted meanwhile: nothing to learn from
            return
        original = original_of(raw)
        if original.submitted:
            return
        await self.complain(original, kind, who=mailbox)
        if self._moves_teach != "none":
            scope = DEFAULT if self._moves_teach == "all" else mailbox.rpartition("@")[2]
            await self.teach(original, kind, scope=scope)


def _lesson(raw: bytes, kind: MailClass | None, scope: str) -> TrainingSample:
    return TrainingSample(scope, sha256(raw).hexdigest(), kind, tokens_of(raw))

"""Feedback of users: moves into and out of Junk, mail to training addresses, and the complaints that follow from them.

A sample is identified by the digest of the message as it was received, so that the same message from several users is
one sample, and the opposite classification moves it. A message that is reported as spam is a complaint about its peer
and its sender.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Literal, Protocol

from libs.events import JunkMoved
from libs.mail.originals import Original, original_of
from services.antispam.learning.model import MailClass
from services.antispam.learning.samples import TrainingSample
from services.antispam.message.content import tokens_of
from services.antispam.policy.policy import DEFAULT
from services.antispam.reputation.complaints import ComplaintSubject, subjects_of

_CONCURRENCY = 8  # messages in memory


class SampleLearner(Protocol):
    """The learning slice."""

    async def learn(self, sample: TrainingSample) -> MailClass | None:
        """Learn a sample and return the former class of its message. Raises `Temporary`."""


class ComplaintStore(Protocol):
    """The stored complaints. All methods raise `Temporary`."""

    async def complain(self, subjects: Sequence[ComplaintSubject], complainant: str, now: datetime) -> None: ...
    async def withdraw(self, subjects: Sequence[ComplaintSubject], complainant: str, now: datetime) -> None: ...


class MailboxMessages(Protocol):
    """The messages in store."""

    async def raw(self, mailbox: str, id: str) -> bytes | None:
        """Return the message, or None when it is deleted. Raises `Temporary`, `Permanent`."""


class Feedback:
    """Turns feedback into training samples and complaints.

    `moves_train` names the statistics that learn from moves: of the mailbox's domain, of all domains, or none.
    """

    def __init__(
        self,
        *,
        learner: SampleLearner,
        complaints: ComplaintStore,
        messages: MailboxMessages,
        moves_train: Literal["domain", "all", "none"],
        clock: Callable[[], datetime],
    ) -> None:
        self._learner = learner
        self._complaints = complaints
        self._messages = messages
        self._moves_train = moves_train
        self._clock = clock

    async def train(self, original: Original, kind: MailClass | None, *, scope: str) -> MailClass | None:
        """Learn a message as `kind`, or unlearn it for None, and return its former class. Raises `Temporary`."""
        return await self._learner.learn(await asyncio.to_thread(_sample, original.raw, kind, scope))

    async def record_complaint(self, original: Original, kind: MailClass | None, *, complainant: str) -> None:
        """Record that the complainant reports a message as spam, or withdraw the report. Raises `Temporary`."""
        if original.submitted:  # the peer of mail from a local user is the user's own client
            return
        subjects = subjects_of(sender=original.sender, peer=original.peer)
        if subjects and kind == "spam":
            await self._complaints.complain(subjects, complainant, self._clock())
        elif subjects:
            await self._complaints.withdraw(subjects, complainant, self._clock())

    async def junk_moved(self, fact: JunkMoved) -> None:
        """Handle the event: messages were moved into Junk or out of it. It may be handled twice. Raises `Temporary`."""
        limit = asyncio.Semaphore(_CONCURRENCY)

        async def process(id: str) -> None:
            async with limit:
                await self._process_move(fact.mailbox, id, "spam" if fact.spam else "ham")

        for result in await asyncio.gather(*map(process, fact.ids), return_exceptions=True):
            if result is not None:
                raise result

    async def _process_move(self, mailbox: str, id: str, kind: MailClass) -> None:
        raw = await self._messages.raw(mailbox, id)
        if raw is None:  # it was deleted meanwhile
            return
        original = original_of(raw)
        if original.submitted:
            return
        await self.record_complaint(original, kind, complainant=mailbox)
        if self._moves_train != "none":
            scope = DEFAULT if self._moves_train == "all" else mailbox.rpartition("@")[2]
            await self.train(original, kind, scope=scope)


def _sample(raw: bytes, kind: MailClass | None, scope: str) -> TrainingSample:
    return TrainingSample(scope, sha256(raw).hexdigest(), kind, tokens_of(raw))

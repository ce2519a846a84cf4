"""What antispam needs from outside."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from services.antispam.domain.learned import Change, Class, Model, Snapshot, State
from services.antispam.domain.lessons import Lesson
from services.antispam.domain.rulebook import Rulebook

# Reads all that is stored for a scope; an empty rulebook when nothing is. Raises `Temporary`.
LoadRulebook = Callable[[str], Awaitable[Rulebook]]


@dataclass(frozen=True, slots=True)
class BlacklistedPeer:
    """A peer that is refused until a moment, in UTC."""

    address: str
    until: datetime
    reason: str


class PeerStore(Protocol):
    """Where blacklisted peers outlive a restart."""

    async def all(self, now: datetime, limit: int) -> Sequence[BlacklistedPeer]:
        """Those that are still refused, the longest first. Raises `Temporary`."""

    async def put(self, peer: BlacklistedPeer) -> None:
        """Keep until it is over; one that is over already is deleted. Raises `Temporary`."""


class SightingStore(Protocol):
    """Where replicas add up how often they saw the same message."""

    async def add(self, counts: Mapping[str, int], now: datetime) -> Mapping[str, int]:
        """Add to the shared counts; the totals of these digests within the window. Raises `Temporary`."""


class CounterStore(Protocol):
    """Where statistics are kept by domain or account, and day."""

    async def add(self, counts: Mapping[tuple[str, str], Mapping[str, int]]) -> None:
        """Add counts by (domain, ISO day) and name. Raises `Temporary`."""

    async def add_for_accounts(self, counts: Mapping[tuple[str, str], Mapping[str, int]]) -> None:
        """Likewise, by (account, ISO day)."""

    async def end_account(self, account: str, *, until: str) -> None:
        """Forget the days of `account` up to the ISO day `until`. Raises `Temporary`."""


class HitStore(Protocol):
    """Where rules keep how often they matched."""

    async def add_hits(self, hits: Mapping[str, int]) -> None:
        """Add counts by rule name. Raises `Temporary`."""


class LearningStore(Protocol):
    """Where lessons and the statistics outlive a restart. All methods raise `Temporary`."""

    async def states(self) -> Mapping[str, State]:
        """Of every scope that ever learned."""

    async def learn(self, lessons: Sequence[Lesson], now: datetime) -> Sequence[Class | None]:
        """Each exactly once, in one transaction; for each lesson, what the message was learned as before."""

    async def looked_at_once(self, limit: int) -> Sequence[Lesson]:
        """Lessons that wait for their second look, as such."""

    async def older_than(self, moment: datetime, limit: int) -> Sequence[Lesson]:
        """Lessons that were taught before, as what forgets them."""

    async def park(self, lesson: Lesson, now: datetime) -> None:
        """It waits neither for a second look nor for being forgotten any more."""

    def lessons(self, scope: str) -> AsyncIterator[Lesson]:
        """Everything that was taught for `scope`, by digest."""

    def changes(self, scope: str, *, since: int) -> AsyncIterator[Change]:
        """What changed after change `since`, in order."""

    async def snapshot(self, scope: str, state: State) -> Model:
        """The model as of the snapshot of `state`; empty when there is none yet. Raises `LookupError` when it is not
        there whole.
        """

    async def where_log_begins(self, scope: str, state: State) -> Model:
        """The model to which the oldest change that is kept was applied. Raises `LookupError` likewise."""

    async def relearned(self, scope: str, state: State) -> Model:
        """The model worked out anew from every lesson that is remembered."""

    async def save(self, scope: str, snapshot: Snapshot, *, over: State) -> bool:
        """Make it the snapshot of `scope`; False when another replica was quicker."""

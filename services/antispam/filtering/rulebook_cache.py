"""Caches rulebooks, so that judging a message asks no database: read once, again when they change or grow old."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog

from libs.envelope import Temporary
from services.antispam.filtering.steps import Plan, Step, plan
from services.antispam.policy.policy import DEFAULT, DEFAULT_OUTGOING_POLICY, DEFAULT_POLICY, OUTGOING, Policy, inherit
from services.antispam.policy.rulebook import Rulebook

log = structlog.get_logger(__name__)

_AFTER_FAILURE = 5.0  # seconds to go on with what was read last when the database does not answer


@dataclass(frozen=True, slots=True)
class DomainRules:
    """The rules for the mail of one domain: its policy, the chain under that policy, its rulebooks."""

    policy: Policy
    plan: Plan
    books: Sequence[Rulebook]


@dataclass(slots=True)
class _Entry:
    book: Rulebook
    fresh_until: float


# Reads everything that is stored for a scope; an empty rulebook if nothing is. Raises `Temporary`.
LoadRulebook = Callable[[str], Awaitable[Rulebook]]


class RulebookCache:
    """Caches at most `capacity` rulebooks, each at most `max_age` old while the database answers."""

    def __init__(
        self,
        load: LoadRulebook,
        chain: Sequence[Step],
        *,
        max_age: timedelta,
        capacity: int,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._load = load
        self._chain = chain
        self._max_age = max_age.total_seconds()
        self._capacity = capacity
        self._monotonic = monotonic
        self._books: OrderedDict[str, _Entry] = OrderedDict()
        self._domain_rules: dict[str, DomainRules] = {}
        self._loading: dict[str, asyncio.Task[Rulebook]] = {}
        self._changes = 0

    async def rules_for(self, scope: str) -> DomainRules:
        """Return the rules for a hosted domain, `default` or `outgoing`.

        Raises `Temporary` if they were never read and cannot be read now.
        """
        common = await self._book(DEFAULT)
        own = common if scope == DEFAULT else await self._book(scope)
        rules = self._domain_rules.get(scope)
        if rules is None or rules.books[0] is not common or rules.books[-1] is not own:
            rules = self._domain_rules[scope] = self._combined(scope, common, own)
        return rules

    def forget(self, scope: str) -> None:
        """Read `scope` again before the next use; until that works, the last version counts."""
        self._changes += 1
        self._loading.pop(scope, None)
        if entry := self._books.get(scope):
            entry.fresh_until = 0.0

    async def _book(self, scope: str) -> Rulebook:
        entry = self._books.get(scope)
        if entry is not None and entry.fresh_until > self._monotonic():
            return entry.book
        # Many messages may wait for the same scope; it is read once for all of them.
        task = self._loading.get(scope)
        if task is None:
            task = self._loading[scope] = asyncio.create_task(self._read(scope))
            task.add_done_callback(lambda done: self._loaded(scope, done))
        return await asyncio.shield(task)

    def _loaded(self, scope: str, task: asyncio.Task[Rulebook]) -> None:
        if self._loading.get(scope) is task:
            del self._loading[scope]
        if not task.cancelled():
            task.exception()  # the waiting messages get it; without any, the next message reads again

    async def _read(self, scope: str) -> Rulebook:
        changes, last = self._changes, self._books.get(scope)
        try:
            book = await self._load(scope)
        except Temporary as error:
            if last is None:
                raise
            log.warning("rulebook_stale", scope=scope, reason=error.reason)
            last.fresh_until = self._monotonic() + _AFTER_FAILURE
            return last.book
        await asyncio.to_thread(book.prepare)  # compiling many patterns takes time
        # After a change during the read this may be the old state: it serves the waiting messages, but no others.
        fresh_until = self._monotonic() + self._max_age if changes == self._changes else 0.0
        self._put(scope, _Entry(book, fresh_until))
        return book

    def _put(self, scope: str, entry: _Entry) -> None:
        self._books[scope] = entry
        self._books.move_to_end(scope)
        while len(self._books) > self._capacity:
            oldest = next(name for name in self._books if name != DEFAULT)
            del self._books[oldest]
            self._domain_rules.pop(oldest, None)

    def _combined(self, scope: str, common: Rulebook, own: Rulebook) -> DomainRules:
        policy = inherit(common.policy, DEFAULT_POLICY)
        if scope == OUTGOING:
            policy = inherit(own.policy, DEFAULT_OUTGOING_POLICY)
        elif own is not common:
            policy = inherit(own.policy, policy)
        books = (common,) if own is common else (common, own)
        return DomainRules(policy, plan(self._chain, policy), books)

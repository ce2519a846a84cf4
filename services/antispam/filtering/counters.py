"""Statistics by domain and day, counted in memory and written together.

A message that comes to this process again counts once. A crash loses the counts of the last seconds; a write whose
answer was lost, or a message that another process had counted when it crashed, counts twice: the figures are for
information, and no mail waits for them.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import Protocol

from libs.envelope import Temporary, Verdict
from libs.events import AccountDeleted, MailQuarantined, MailReleased
from services.antispam.filtering.runner import Judgement

_REMEMBERED = 20_000  # messages

Key = tuple[str, str]  # domain or account, ISO day


class CounterStore(Protocol):
    """The storage of statistics, by domain or account, and day."""

    async def add(self, counts: Mapping[tuple[str, str], Mapping[str, int]]) -> None:
        """Add counts by (domain, ISO day) and name. Raises `Temporary`."""

    async def add_for_accounts(self, counts: Mapping[tuple[str, str], Mapping[str, int]]) -> None:
        """Add counts by (account, ISO day) and name. Raises `Temporary`."""

    async def end_account(self, account: str, *, until: str) -> None:
        """Delete the days of `account` up to the ISO day `until`. Raises `Temporary`."""


class HitStore(Protocol):
    """The storage of how often rules matched."""

    async def add_hits(self, hits: Mapping[str, int]) -> None:
        """Add counts by rule name. Raises `Temporary`."""


class Counters:
    """Names: `received`, `spam`, `whitelisted`, `quarantined`, `viruses`, `released`, `action:NAME`; `filter:NAME` for
    each hit, of an account in its spam only.
    """

    def __init__(self, store: CounterStore, rules: HitStore, *, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._rules = rules
        self._clock = clock
        self._hits: Counter[str] = Counter()
        self._counts: defaultdict[Key, Counter[str]] = defaultdict(Counter)
        self._accounts: defaultdict[Key, Counter[str]] = defaultdict(Counter)
        self._counted: OrderedDict[tuple[str, ...], None] = OrderedDict()

    def remembered(self) -> int:
        """How many messages are remembered, so that they are not counted again."""
        return len(self._counted)

    def count(
        self, domain: str, judgement: Judgement, verdict: Verdict, *, id: str, accounts: Collection[str] = ()
    ) -> None:
        """Count the message `id` for `domain` (empty: outgoing) and for these accounts in it."""
        if self._is_counted("judged", id, domain):
            return
        day = self._clock().date().isoformat()
        counts = self._counts[domain, day]
        counts["received"] += 1
        if verdict.spam:
            counts["spam"] += 1
            counts[f"action:{verdict.action}"] += 1
        if verdict.whitelisted:
            counts["whitelisted"] += 1
        for account in accounts:
            self._count_for(account, day, verdict)
        for result in judgement.results:
            self._hits.update(result.report.rules)
        for test in verdict.tests:
            counts[f"filter:{test.name}" if test.outcome == "hit" else f"error:{test.name}"] += 1

    def held(self, fact: MailQuarantined) -> None:
        """Handle the event: count a quarantined message, whatever the reason."""
        if not self._is_counted("held", fact.id, *fact.domains):
            self._add("quarantined", fact.domains, fact.accounts)
            if fact.infected:
                self._add("viruses", fact.domains, fact.accounts)

    def released(self, fact: MailReleased) -> None:
        """Handle the event: count a message that was released from the quarantine."""
        if not self._is_counted("released", fact.id, *fact.domains, *fact.accounts):
            self._add("released", fact.domains, fact.accounts)

    async def account_deleted(self, fact: AccountDeleted) -> None:
        """Handle the event: delete the statistics of the account, the unwritten ones too. Raises `Temporary`."""
        until = (fact.deleted_at or self._clock()).date().isoformat()
        for account, day in [*self._accounts]:
            if account == fact.address and day <= until:
                del self._accounts[account, day]
        await self._store.end_account(fact.address, until=until)

    async def flush(self) -> None:
        """Write the counts; on `Temporary`, which it raises, they are kept."""
        if self._counts:
            await self._flush_counts()
        if self._accounts:
            await self._flush_accounts()
        if self._hits:
            await self._flush_hits()

    def _count_for(self, account: str, day: str, verdict: Verdict) -> None:
        counts = self._accounts[account, day]
        counts["received"] += 1
        if verdict.spam:
            counts["spam"] += 1
            counts[f"action:{verdict.action}"] += 1
            for test in verdict.tests:
                if test.outcome == "hit":
                    counts[f"filter:{test.name}"] += 1

    def _add(self, name: str, domains: Collection[str], accounts: Collection[str]) -> None:
        day = self._clock().date().isoformat()
        for domain in domains:
            self._counts[domain, day][name] += 1
        for account in accounts:
            self._accounts[account, day][name] += 1

    def _is_counted(self, *key: str) -> bool:
        counted = key in self._counted
        self._counted[key] = None
        self._counted.move_to_end(key)
        if len(self._counted) > _REMEMBERED:
            self._counted.popitem(last=False)
        return counted

    async def _flush_counts(self) -> None:
        counts, self._counts = self._counts, defaultdict(Counter)
        try:
            await self._store.add(counts)
        except Temporary:
            _put_back(self._counts, counts)
            raise

    async def _flush_accounts(self) -> None:
        counts, self._accounts = self._accounts, defaultdict(Counter)
        try:
            await self._store.add_for_accounts(counts)
        except Temporary:
            _put_back(self._accounts, counts)
            raise

    async def _flush_hits(self) -> None:
        hits, self._hits = self._hits, Counter()
        try:
            await self._rules.add_hits(hits)
        except Temporary:
            self._hits.update(hits)
            raise


def _put_back(counts: defaultdict[Key, Counter[str]], unwritten: Mapping[Key, Counter[str]]) -> None:
    for key, named in unwritten.items():
        counts[key].update(named)

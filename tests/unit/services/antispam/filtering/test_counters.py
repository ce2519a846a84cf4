"""Statistics are counted in memory, written together, and kept when writing fails."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import count as count_from_one

import pytest

from libs.envelope import Temporary
from libs.events import MailQuarantined, MailReleased
from services.antispam.chain import CHAIN
from services.antispam.filtering.counters import Counters
from services.antispam.filtering.runner import Judgement, StepResult
from services.antispam.filtering.verdicts import verdict_of
from services.antispam.message.report import Report, hit
from services.antispam.policy.policy import Policy

STEPS = {step.name: step for step in CHAIN}


class Store:
    """Adds up what is written; `away` makes writing fail."""

    def __init__(self) -> None:
        self.days: dict[tuple[str, str], dict[str, int]] = {}
        self.hits: dict[str, int] = {}
        self.away = False

    async def add(self, counts: Mapping[tuple[str, str], Mapping[str, int]]) -> None:
        self._check()
        for key, named in counts.items():
            day = self.days.setdefault(key, {})
            for name, number in named.items():
                day[name] = day.get(name, 0) + number

    async def add_hits(self, hits: Mapping[str, int]) -> None:
        self._check()
        for name, number in hits.items():
            self.hits[name] = self.hits.get(name, 0) + number

    async def add_for_accounts(self, counts: Mapping[tuple[str, str], Mapping[str, int]]) -> None:
        await self.add(counts)

    async def end_account(self, account: str, *, until: str) -> None:
        raise AssertionError(account)

    def _check(self) -> None:
        if self.away:
            raise Temporary("away")


def a_judgement(name: str, report: Report, score: float) -> Judgement:
    result = StepResult(STEPS[name], report, score, 0.1)
    ended = result if name.endswith("list") else None
    return Judgement([result], score, ended)


async def test_what_is_counted_by_domain_and_day() -> None:
    store, now = Store(), [datetime(2026, 1, 1, 23, 59, tzinfo=UTC)]
    counters = Counters(store, store, clock=lambda: now[0])

    ids = map(str, count_from_one())

    def count(domain: str, judgement: Judgement) -> None:
        counters.count(domain, judgement, verdict_of(judgement, Policy(action="junk")), id=next(ids))

    count("a.example", a_judgement("keywords", hit("watches", 9, rules=("watches",)), 9.0))
    count("a.example", a_judgement("sender_whitelist", hit("listed"), -100.0))
    count("b.example", a_judgement("keywords", Report("error", "Bug"), 0.0))
    now[0] = datetime(2026, 1, 2, tzinfo=UTC)
    count("a.example", a_judgement("helo", hit("x"), 3.0))
    await counters.flush()
    await counters.flush()
    assert store.days == {
        ("a.example", "2026-01-01"): {
            "received": 2,
            "spam": 1,
            "action:junk": 1,
            "whitelisted": 1,
            "filter:keywords": 1,
            "filter:sender_whitelist": 1,
        },
        ("b.example", "2026-01-01"): {"received": 1, "error:keywords": 1},
        ("a.example", "2026-01-02"): {"received": 1, "filter:helo": 1},
    }
    assert store.hits == {"watches": 1}


async def test_counts_that_could_not_be_written_wait_for_the_next_time() -> None:
    store = Store()
    counters = Counters(store, store, clock=lambda: datetime(2026, 1, 1, tzinfo=UTC))
    judgement = a_judgement("keywords", hit("watches", 9, rules=("watches",)), 9.0)
    for away in (True, False):
        store.away = away
        counters.count("a.example", judgement, verdict_of(judgement, Policy()), id=str(away), accounts=("m@a.example",))
        if away:
            with pytest.raises(Temporary):
                await counters.flush()
    await counters.flush()
    assert store.days["a.example", "2026-01-01"]["received"] == 2
    assert store.days["m@a.example", "2026-01-01"] == {"received": 2, "spam": 2, "action:tag": 2, "filter:keywords": 2}
    assert store.hits == {"watches": 2}


async def test_what_the_queue_or_an_event_brings_again_counts_once() -> None:
    store = Store()
    counters = Counters(store, store, clock=lambda: datetime(2026, 1, 1, tzinfo=UTC))
    judgement = a_judgement("helo", hit("x"), 3.0)
    held = MailQuarantined(id="1", reason="EICAR", infected=True, domains=["a.example"], accounts=["m@a.example"])
    for _ in range(3):
        counters.count("a.example", judgement, verdict_of(judgement, Policy()), id="1", accounts=("m@a.example",))
        counters.held(held)
        counters.released(MailReleased(id="1", domains=["a.example"]))
        await counters.flush()
    same = {"received": 1, "quarantined": 1, "viruses": 1}
    assert store.days["m@a.example", "2026-01-01"] == same
    assert store.days["a.example", "2026-01-01"] == {**same, "filter:helo": 1, "released": 1}

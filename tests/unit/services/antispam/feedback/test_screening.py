"""Recipients at RCPT: greylisting of unknown triplets, whitelists, training addresses and honeypots."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Literal

import pytest

from services.antispam.feedback.screening import RcptQuery, RecipientScreening
from services.antispam.filtering.rulebook_cache import RulebookCache
from services.antispam.policy.rulebook import Rulebook
from services.antispam.reputation.greylist import GreylistState, GreylistTimes, Triplet
from tests.specimens.antispam import NOW, a_rulebook, an_environment

Rulebooks = Callable[..., RulebookCache]

DELAY, KEPT = timedelta(minutes=5), timedelta(minutes=10)
TIMES = GreylistTimes(DELAY, timedelta(hours=24), timedelta(days=36), 5, "recipient")
STRANGER = RcptQuery("192.0.2.1", "Jean@Elsewhere.example", "Marie@example.org", "example.org")
GREYLISTING: dict[str, object] = {"filters": {"greylisting": True, "honeypot": True}}


@dataclass
class Stores:
    """A greylist, honeypots and accounts in memory; each attempt passes after the delay."""

    waited: timedelta | None = None
    passes: int = 0
    attempts: list[Triplet] = field(default_factory=list)

    async def network_passes(self, network: str, now: datetime) -> int:
        return self.passes

    async def record_attempt(self, triplet: Triplet, now: datetime) -> GreylistState:
        self.attempts.append(triplet)
        return GreylistState(now, None if self.waited is None else now + self.waited, newly=self.waited is not None)

    async def addresses_of(self, domain: str) -> Sequence[str]:
        return [f"trap@{domain}"]

    async def profile(self, account: str) -> str | None:
        return {"boss@example.org": "manager", "marie@example.org": "standard"}.get(account)


def screening(
    cache: RulebookCache, stores: Stores, *, per: Literal["recipient", "domain"] = "recipient"
) -> RecipientScreening:
    return RecipientScreening(
        rulebooks=cache,
        environment=an_environment(),
        greylist=stores,
        honeypots=stores,
        accounts=stores,
        times=replace(TIMES, per=per),
        clock=lambda: NOW,
    )


def greylisting(**book: Any) -> Rulebook:
    return a_rulebook("example.org", policy=GREYLISTING, **book)


async def test_a_new_triplet_is_deferred_until_its_delay_is_over(rulebooks: Rulebooks) -> None:
    stores = Stores()
    decision = await screening(rulebooks(greylisting()), stores).screen(STRANGER)
    assert (decision.decision, decision.note, decision.retry_at) == ("defer", "greylisted", NOW + DELAY)
    assert stores.attempts == [Triplet("192.0.2.0/24", "jean@elsewhere.example", "marie@example.org")]


async def test_a_triplet_that_waited_is_accepted_with_its_time(rulebooks: Rulebooks) -> None:
    decision = await screening(rulebooks(greylisting()), Stores(waited=timedelta(seconds=312))).screen(STRANGER)
    assert (decision.decision, decision.note, decision.keep) == ("accept", "passed after 312 s", KEPT)
    assert not decision.whole_network


async def test_a_network_with_enough_passes_is_accepted_as_a_whole(rulebooks: Rulebooks) -> None:
    for passes, whole_network in ((4, False), (5, True)):
        stores = Stores(passes=passes)
        decision = await screening(rulebooks(greylisting()), stores).screen(STRANGER)
        assert (decision.whole_network, len(stores.attempts)) == (whole_network, int(not whole_network))


async def test_a_triplet_may_name_the_domain_instead_of_the_recipient(rulebooks: Rulebooks) -> None:
    stores = Stores()
    await screening(rulebooks(greylisting()), stores, per="domain").screen(STRANGER)
    assert [triplet.recipient for triplet in stores.attempts] == ["example.org"]


@pytest.mark.parametrize(
    ("query", "book", "note"),
    [
        (STRANGER, a_rulebook("example.org"), ""),  # greylisting is off by default
        (STRANGER, a_rulebook("example.org", policy={**GREYLISTING, "enabled": False}), ""),
        (replace(STRANGER, peer="127.0.0.1"), greylisting(), ""),  # a trusted network
        (replace(STRANGER, peer="unknown"), greylisting(), ""),
        (STRANGER, greylisting(white=("192.0.2.0/24",)), "peer is on a whitelist"),
        (STRANGER, greylisting(white=("elsewhere.example",)), "sender is on a whitelist"),
    ],
)
async def test_a_peer_that_need_not_wait_is_accepted_at_once(
    rulebooks: Rulebooks, query: RcptQuery, book: Rulebook, note: str
) -> None:
    stores = Stores()
    decision = await screening(rulebooks(book), stores).screen(query)
    assert (decision.decision, decision.note, stores.attempts) == ("accept", note, [])


async def test_the_null_sender_is_on_no_whitelist(rulebooks: Rulebooks) -> None:
    book = greylisting(white=("elsewhere.example",))
    decision = await screening(rulebooks(book), Stores()).screen(replace(STRANGER, sender=""))
    assert decision.decision == "defer"


@pytest.mark.parametrize(
    ("account", "decision"),
    [
        ("boss@example.org", "accept"),
        ("marie@example.org", "refuse"),
        ("boss@example.com", "refuse"),  # a manager of another domain
        ("unknown@example.org", "refuse"),
    ],
)
async def test_only_managers_train_the_filters_of_their_domain(
    rulebooks: Rulebooks, account: str, decision: str
) -> None:
    query = replace(STRANGER, recipient="spam@example.org", account=account)
    assert (await screening(rulebooks(greylisting()), Stores()).screen(query)).decision == decision


async def test_special_addresses_depend_on_the_policy(rulebooks: Rulebooks) -> None:
    untrained: dict[str, object] = {"training": False, "filters": {"honeypot": False}}
    cache = rulebooks(greylisting(), a_rulebook("example.com", policy=untrained))
    screens = screening(cache, Stores())
    assert await screens.special_addresses("example.org") == {
        "spam@example.org": "training",
        "ham@example.org": "training",
        "trap@example.org": "honeypot",
    }
    assert await screens.special_addresses("example.com") == {}
    assert [await screens.is_greylisting(domain) for domain in ("example.org", "example.com")] == [True, False]

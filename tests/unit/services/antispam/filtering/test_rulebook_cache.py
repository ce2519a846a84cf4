"""Rulebooks in memory: when they are read, and what counts when they cannot be."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from libs.envelope import Temporary
from services.antispam.chain import CHAIN
from services.antispam.filtering.rulebook_cache import RulebookCache
from services.antispam.policy.rulebook import Rulebook
from tests.specimens.antispam import a_rulebook


class Store:
    """What is stored, and how often it was read; `away` makes reading fail."""

    def __init__(self) -> None:
        self.policies: dict[str, dict[str, object]] = {}
        self.reads: list[str] = []
        self.away = False
        self.now = 0.0
        self.slow: asyncio.Event | None = None

    async def load(self, scope: str) -> Rulebook:
        self.reads.append(scope)
        policy = dict(self.policies.get(scope, {}))
        if self.slow:
            await self.slow.wait()
        if self.away:
            raise Temporary("away")
        return a_rulebook(scope, policy=policy)

    def rulebooks(self, capacity: int = 100) -> RulebookCache:
        return RulebookCache(
            self.load, CHAIN, max_age=timedelta(seconds=60), capacity=capacity, monotonic=lambda: self.now
        )  # fmt: skip


@pytest.fixture
def store() -> Store:
    return Store()


async def test_a_crowd_of_messages_reads_each_scope_once(store: Store) -> None:
    rulebooks = store.rulebooks()
    await asyncio.gather(*(rulebooks.rules_for("a.example") for _ in range(50)))
    for _ in range(50):
        await rulebooks.rules_for("a.example")
    assert store.reads == ["default", "a.example"]


async def test_a_change_counts_from_the_next_message_on(store: Store) -> None:
    rulebooks = store.rulebooks()
    assert (await rulebooks.rules_for("a.example")).policy.required == 7.5
    store.policies["default"] = {"required": 3.0}
    rulebooks.forget("default")
    assert (await rulebooks.rules_for("a.example")).policy.required == 3.0
    store.policies["a.example"] = {"required": 4.0}
    rulebooks.forget("a.example")
    assert (await rulebooks.rules_for("a.example")).policy.required == 4.0
    assert (await rulebooks.rules_for("b.example")).policy.required == 3.0


async def test_a_change_while_reading_is_not_hidden_by_what_was_read(store: Store) -> None:
    rulebooks = store.rulebooks()
    await rulebooks.rules_for("default")
    store.slow = asyncio.Event()
    reading = asyncio.create_task(rulebooks.rules_for("a.example"))
    while "a.example" not in store.reads:
        await asyncio.sleep(0)
    store.policies["a.example"] = {"required": 4.0}
    rulebooks.forget("a.example")
    store.slow.set()
    await reading
    assert (await rulebooks.rules_for("a.example")).policy.required == 4.0


async def test_old_rulebooks_are_read_again(store: Store) -> None:
    rulebooks = store.rulebooks()
    await rulebooks.rules_for("a.example")
    store.now += 61
    await rulebooks.rules_for("a.example")
    assert store.reads.count("a.example") == 2


async def test_without_its_database_a_known_domain_is_judged_on_and_an_unknown_one_waits(store: Store) -> None:
    rulebooks = store.rulebooks()
    store.policies["a.example"] = {"required": 4.0}
    await rulebooks.rules_for("a.example")
    store.away = True
    store.now += 61
    assert (await rulebooks.rules_for("a.example")).policy.required == 4.0
    with pytest.raises(Temporary):
        await rulebooks.rules_for("b.example")
    store.away = False
    assert (await rulebooks.rules_for("b.example")).policy.required == 7.5


async def test_only_so_many_stay_in_memory_and_the_common_one_always(store: Store) -> None:
    rulebooks = store.rulebooks(capacity=10)
    for n in range(50):
        await rulebooks.rules_for(f"d{n}.example")
    await rulebooks.rules_for("d49.example")
    assert store.reads.count("default") == 1
    await rulebooks.rules_for("d0.example")
    assert store.reads.count("d0.example") == 2


async def test_outgoing_mail_is_not_judged_unless_its_own_policy_says_so(store: Store) -> None:
    rulebooks = store.rulebooks()
    store.policies["default"] = {"enabled": True, "required": 3.0}
    policy = (await rulebooks.rules_for("outgoing")).policy
    assert (policy.enabled, policy.required) == (False, 7.5)

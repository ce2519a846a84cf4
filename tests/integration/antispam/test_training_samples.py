"""Training samples on a real MongoDB: each is learned exactly once, by many replicas at a time."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from libs.bus.embedded import EmbeddedBus
from libs.mongo import Mongo
from services.antispam.learning.learner import IsSureOf, Learner
from services.antispam.learning.model import BayesModel, MailClass, ModelCache
from services.antispam.learning.mongo import MongoBayes
from services.antispam.learning.samples import TrainingSample

YEAR = timedelta(days=365)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
SCOPE = "default"


@pytest.fixture
async def store(mongo: Mongo) -> MongoBayes:
    store = MongoBayes(mongo, mongo.database("antispam"))
    await store.prepare()
    await store.prepare()  # as every replica does at its start
    return store


def sample(digest: str, kind: MailClass | None, *tokens: str, scope: str = SCOPE) -> TrainingSample:
    return TrainingSample(scope, digest, kind, frozenset(tokens))


async def model_of(store: MongoBayes, scope: str = SCOPE) -> BayesModel:
    """Restore the model as at a start, from snapshot and log."""
    model = await store.snapshot(scope, (await store.states())[scope])
    async for change in store.changes(scope, since=model.revision):
        model.apply(change)
    return model


async def test_learning_twice_is_once_a_change_of_mind_moves_and_forgetting_forgets(store: MongoBayes) -> None:
    kinds: tuple[MailClass | None, ...] = ("spam", "spam", "ham", None, None)
    befores: list[Any] = []
    seen: list[Any] = []
    for kind in kinds:
        befores += await store.learn([sample("1", kind, "a", "é")], NOW)
        model = await model_of(store)
        seen.append((model.spam, model.ham, model.tokens.get("é")))
    assert befores == [None, "spam", "spam", "ham", None]
    assert seen == [(1, 0, (1, 0)), (1, 0, (1, 0)), (0, 1, (0, 1)), (0, 0, None), (0, 0, None)]


async def test_scopes_are_apart(store: MongoBayes) -> None:
    await store.learn([sample("1", "spam", "a"), sample("1", "ham", "a", scope="a.example")], NOW)
    assert (await model_of(store)).tokens.get("a") == (1, 0)
    assert (await model_of(store, "a.example")).tokens.get("a") == (0, 1)


async def test_replicas_that_learn_at_the_same_time_lose_nothing_and_count_nothing_twice(store: MongoBayes) -> None:
    async def many(replica: int) -> None:
        for n in range(10):
            digest = str(n) if n % 2 else f"{replica}-{n}"  # half of the messages come to all replicas
            await store.learn([sample(digest, "spam", "a", digest)], NOW)

    await asyncio.gather(many(1), many(2), many(3))
    model = await model_of(store)
    assert (model.spam, model.revision, model.tokens.get("a"), len(model)) == (20, 20, (20, 0), 21)


async def test_a_snapshot_shortens_the_log_and_reads_the_same(
    store: MongoBayes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.antispam.learning.mongo_snapshots._PART", 3)
    for n in range(30):
        await store.learn([sample(str(n), "spam", "a", f"t{n}")], NOW)
        if n in (9, 19):
            state, taken = (await store.states())[SCOPE], (await model_of(store)).copy()
            assert await store.save(SCOPE, taken, over=state)
            assert not await store.save(SCOPE, taken, over=state)  # another replica was quicker
    model = await model_of(store)
    assert (model.tokens.get("a"), model.tokens.get("t0"), len(model)) == ((30, 0), (1, 0), 31)
    assert [change.revision async for change in store.changes(SCOPE, since=0)] == list(range(11, 31))


async def test_a_replica_follows_the_others_and_a_new_one_starts_from_the_snapshot(
    store: MongoBayes, bus: EmbeddedBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.antispam.learning.learner._SNAPSHOT_EVERY", 10)

    def is_sure_of(scope: str, kind: MailClass, tokens: frozenset[str]) -> bool:
        return False

    def replica(limit: int = 1000) -> tuple[Learner, ModelCache]:
        models = ModelCache(always=SCOPE, capacity=100)
        return Learner(
            store, models, bus, is_sure_of=is_sure_of, clock=lambda: NOW, tokens_limit=limit, retention=YEAR
        ), models

    (one, at_one), (other, at_other) = replica(limit=25), replica()
    for n in range(30):
        await one.learn(sample(str(n), "spam" if n % 2 else "ham", "common", f"t{n}"))
        if n in (4, 20):
            await other.refresh()
    await one.learn(sample("1", "ham", "common", scope="a.example"))
    await one.save_snapshots()  # throws rare tokens away, since there are more than 25
    late, at_late = replica()
    for learning in (one, other, late):
        await learning.refresh()
        await learning.load_domain("a.example")
        await learning.load_domain("never.learned.example")
    for models in (at_one, at_other, at_late):
        common, own = models.get(SCOPE), models.get("a.example")
        assert common is not None
        assert own is not None
        assert (common.tokens.get("common"), common.epoch, len(common), own.tokens.get("common")) == (
            (15, 15),
            1,
            20,
            (0, 1),
        )
        assert models.get("never.learned.example") is None
    assert late.learned(SCOPE) == (15, 15)


async def test_a_sample_that_is_classified_surely_is_not_counted_and_each_gets_a_second_pass(
    store: MongoBayes, bus: EmbeddedBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.antispam.learning.learner._PAUSE", 0.0)
    models, asked = ModelCache(always=SCOPE, capacity=100), []

    def is_sure_of(scope: str, kind: MailClass, tokens: frozenset[str]) -> bool:
        asked.append(min(tokens))
        return asked.count(min(tokens)) == 1 and "sure" in tokens

    learning = Learner(store, models, bus, is_sure_of=is_sure_of, clock=lambda: NOW, tokens_limit=100, retention=YEAR)
    await learning.learn(sample("1", "spam", "a", "sure"))
    await learning.learn(sample("2", "ham", "b"))
    assert learning.learned(SCOPE) == (1, 1)
    model = models.get(SCOPE)
    assert model is not None
    assert (model.spam, model.ham) == (0, 1)
    for _ in range(2):
        await learning.run_second_pass()
    assert (model.spam, model.ham, model.tokens.get("a"), model.tokens.get("b")) == (1, 2, (1, 0), (0, 2))
    assert asked == ["a", "b", "a", "b"]
    await learning.learn(sample("2", None, "b"))
    assert (learning.learned(SCOPE), model.ham, model.tokens.get("b")) == ((1, 0), 0, None)


async def test_an_expired_sample_is_unlearned_with_its_tokens_by_any_replica(
    store: MongoBayes, bus: EmbeddedBus
) -> None:
    now = [NOW]

    def replica() -> Learner:
        models = ModelCache(always=SCOPE, capacity=100)
        never_sure: IsSureOf = lambda scope, kind, tokens: False  # noqa: E731
        return Learner(
            store, models, bus, is_sure_of=never_sure, clock=lambda: now[0], tokens_limit=100, retention=YEAR
        )

    one, other = replica(), replica()
    for n in range(45):
        await one.learn(sample(str(n), "spam", "common", f"old{n}"))
    now[0] += timedelta(days=300)
    await one.learn(sample("new", "spam", "common"))
    await one.learn(sample("1", "ham", "common"))  # taught otherwise since
    await one.learn(sample("2", "spam", "common"))  # taught again
    now[0] += timedelta(days=100)
    await asyncio.gather(one.expire_samples(), other.expire_samples())
    await other.refresh()
    assert other.learned(SCOPE) == (2, 1)
    assert (await model_of(store)).tokens == {"common": (2, 1), "old2": (1, 0)}

"""Snapshots of learned statistics on a real MongoDB: complete while samples come in, and repaired when damaged."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from libs.bus.embedded import EmbeddedBus
from libs.mongo import Mongo
from services.antispam.learning.learner import Learner
from services.antispam.learning.model import MailClass, ModelCache
from services.antispam.learning.mongo import MongoBayes
from services.antispam.learning.samples import TrainingSample

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SCOPE = "default"
Damage = Callable[[Any], Awaitable[object]]
Row = tuple[str, int, int]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Write parts of three tokens, and a snapshot after every ten changes."""
    monkeypatch.setattr("services.antispam.learning.mongo_snapshots._PART", 3)
    monkeypatch.setattr("services.antispam.learning.learner._SNAPSHOT_EVERY", 10)
    monkeypatch.setattr("services.antispam.learning.learner._PAUSE", 3600.0)


@pytest.fixture
def database(mongo: Mongo) -> Any:
    return mongo.database("antispam")


@pytest.fixture
async def store(mongo: Mongo, database: Any) -> MongoBayes:
    store = MongoBayes(mongo, database)
    await store.prepare()
    return store


class LearnerReplica:
    """One process with its statistics in memory."""

    def __init__(self, store: MongoBayes, bus: EmbeddedBus, *, limit: int = 10_000) -> None:
        self.models = ModelCache(always=SCOPE, capacity=10_000)
        self.learning = Learner(
            store, self.models, bus, is_sure_of=lambda scope, kind, tokens: False, clock=lambda: NOW,
            tokens_limit=limit, retention=timedelta(days=365),
        )  # fmt: skip

    async def teach(self, *numbers: int) -> None:
        samples = [a_lesson(number) for number in numbers]
        await asyncio.gather(*(self.learning.learn(sample) for sample in samples))

    def rows(self) -> list[Row]:
        model = self.models.get(SCOPE)
        assert model is not None
        return sorted(model.copy().rows())


def a_lesson(number: int) -> TrainingSample:
    kind: MailClass = "spam" if number % 2 else "ham"
    return TrainingSample(SCOPE, f"{number:04x}", kind, frozenset({"common", f"t{number}", f"u{number}"}))


def rows_of(*numbers: int) -> list[Row]:
    spam = sum(number % 2 for number in numbers)
    own = [(f"{letter}{number}", number % 2, 1 - number % 2) for number in numbers for letter in "tu"]
    return sorted([("common", spam, len(numbers) - spam), *own])


@pytest.mark.parametrize("limit", [10_000, 30])
async def test_a_snapshot_that_is_saved_while_samples_come_in_is_complete_and_nothing_is_lost(
    store: MongoBayes, bus: EmbeddedBus, limit: int
) -> None:
    replica = LearnerReplica(store, bus, limit=limit)
    await replica.teach(*range(20))

    async def teach_on() -> None:
        for number in range(20, 60):
            await replica.teach(number)

    async def save_on() -> None:
        while not teaching.done():
            await replica.learning.save_snapshots()
            await replica.learning.refresh()

    teaching = asyncio.create_task(teach_on())
    await asyncio.gather(teaching, save_on())
    with capture_logs() as logs:
        late = LearnerReplica(store, bus)
        await late.learning.refresh()
    assert (logs, late.rows()) == ([], replica.rows())
    # Rare tokens may be thrown away; what is common was counted by every sample.
    assert next(row for row in late.rows() if row[0] == "common") == ("common", 30, 30)
    if limit == 10_000:
        assert late.rows() == rows_of(*range(60))


async def test_two_replicas_that_save_the_same_revision_do_not_mix_their_parts(
    store: MongoBayes, bus: EmbeddedBus
) -> None:
    one, other = LearnerReplica(store, bus), LearnerReplica(store, bus)
    await one.teach(*range(20))
    await other.learning.refresh()
    model = other.models.get(SCOPE)
    assert model is not None
    model.tokens = dict(reversed(model.tokens.items()))  # as with another seed of hashes
    await asyncio.gather(one.learning.save_snapshots(), other.learning.save_snapshots())
    late = LearnerReplica(store, bus)
    await late.learning.refresh()
    assert late.rows() == rows_of(*range(20))


async def as_the_first_code_saved(database: Any) -> None:
    """The parts have the revision at the beginning of the save, the scope the one at its end."""
    await database["models"].update_one({"_id": SCOPE}, {"$inc": {"snapshot": 3}})
    await database["changes"].delete_many({"_id.revision": {"$lte": 10}})


async def as_the_first_code_saved_twice(database: Any) -> None:
    await as_the_first_code_saved(database)
    await database["snapshots"].delete_many({})
    await database["changes"].delete_many({"_id.revision": {"$lte": 23}})


async def without_a_part(database: Any) -> None:
    await database["snapshots"].delete_one({"_id.part": 1})


async def with_a_part_too_many(database: Any) -> None:
    last = await database["snapshots"].find_one(sort=[("_id.part", -1)])
    last["_id"]["part"] += 1
    await database["snapshots"].insert_one(last)


async def with_an_unreadable_part(database: Any) -> None:
    await database["snapshots"].update_one({"_id.part": 1}, {"$set": {"rows": b"x"}})


async def without_any(database: Any) -> None:
    await database["snapshots"].delete_many({})


async def with_a_gap_in_the_log(database: Any) -> None:
    await database["changes"].delete_many({"_id.revision": {"$in": [21, 23]}})


async def without_a_log(database: Any) -> None:
    await database["changes"].delete_many({})


@pytest.mark.parametrize(
    "damage",
    [
        *(as_the_first_code_saved, as_the_first_code_saved_twice, without_a_part, with_a_part_too_many),
        *(with_an_unreadable_part, without_any, with_a_gap_in_the_log, without_a_log),
    ],
)
async def test_a_replica_starts_over_a_wrong_snapshot_repairs_it_and_says_so_in_one_line(
    store: MongoBayes, bus: EmbeddedBus, database: Any, damage: Damage
) -> None:
    first = LearnerReplica(store, bus)
    for numbers in (range(20), range(20, 25)):
        await first.teach(*numbers)
        await first.learning.save_snapshots()
    await damage(database)
    with capture_logs() as logs:
        second = LearnerReplica(store, bus)
        await second.learning.refresh()
    assert second.rows() == rows_of(*range(25))
    assert [line["event"] for line in logs] == ["bayes_statistics_repaired"]

    await second.teach(25)
    await second.learning.save_snapshots()
    await second.teach(26)
    with capture_logs() as logs:
        third = LearnerReplica(store, bus)
        await third.learning.refresh()
    assert (third.rows(), logs) == (rows_of(*range(27)), [])


async def test_lessons_may_come_while_the_statistics_are_repaired(
    store: MongoBayes, bus: EmbeddedBus, database: Any
) -> None:
    first = LearnerReplica(store, bus)
    await first.teach(*range(20))
    await first.learning.save_snapshots()
    await without_any(database)
    second = LearnerReplica(store, bus)

    async def teach_on() -> None:
        for number in range(20, 40):
            await first.teach(number)

    await asyncio.gather(teach_on(), second.learning.refresh())
    await second.learning.refresh()
    assert second.rows() == first.rows() == rows_of(*range(40))


async def test_a_lesson_that_cannot_be_learned_does_not_keep_the_others_from_being_looked_at(
    store: MongoBayes, bus: EmbeddedBus, database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.antispam.learning.learner._PAUSE", 0.0)
    replica = LearnerReplica(store, bus)
    await replica.teach(*range(6))
    learn = store.learn

    async def failing(samples: Any, now: datetime) -> Any:
        if any(sample.digest == "0003" for sample in samples):
            raise ValueError("no")
        return await learn(samples, now)

    monkeypatch.setattr(store, "learn", failing)
    with capture_logs() as logs:
        await replica.learning.run_second_pass()
    assert await database["lessons"].count_documents({"looks": 2}) == 6
    assert [line["digest"] for line in logs if line["event"] == "training_sample_skipped"] == ["0003"]
    assert ("common", 5, 6) in replica.rows()


async def test_a_scope_that_cannot_be_saved_does_not_keep_the_others(
    store: MongoBayes, bus: EmbeddedBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    replica = LearnerReplica(store, bus)
    await replica.teach(*range(20))
    other = [TrainingSample("a.example", str(number), "spam", frozenset({"common"})) for number in range(20)]
    await asyncio.gather(*(replica.learning.learn(sample) for sample in other))
    await replica.learning.load_domain("a.example")
    save, tried = store.save, []

    async def failing(scope: str, *given: Any, **more: Any) -> bool:
        tried.append(scope)
        if scope == SCOPE:
            raise ValueError("no")
        return await save(scope, *given, **more)

    monkeypatch.setattr(store, "save", failing)
    for _ in range(2):
        await replica.learning.save_snapshots()
        await replica.learning.refresh_if_changed()
    assert sorted(tried) == ["a.example", SCOPE]
    assert (await store.states())["a.example"].snapshot == 20

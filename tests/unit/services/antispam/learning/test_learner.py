"""Learning on a store in memory: training on error, models that follow the log, snapshots and expiry."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from libs.bus import Bus, Event
from libs.envelope import Temporary
from libs.events import BayesLearned
from services.antispam.learning import learner as module
from services.antispam.learning.learner import Learner
from services.antispam.learning.model import BayesModel, MailClass, ModelCache, ModelChange, ModelSnapshot, ScopeState
from services.antispam.learning.mongo import MongoBayes
from services.antispam.learning.restoring import restore_model
from services.antispam.learning.samples import Tokens, TrainingSample
from services.antispam.policy.policy import DEFAULT

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DOMAIN = "example.org"


class Store:
    """The log, the snapshots and the samples of every scope."""

    def __init__(self) -> None:
        self.log: dict[str, list[ModelChange]] = {}
        self.saved: dict[str, BayesModel] = {}
        self.kinds: dict[tuple[str, str], MailClass] = {}
        self.seen: list[TrainingSample] = []
        self.waiting: list[TrainingSample] = []
        self.old: list[TrainingSample] = []
        self.parked: list[str] = []
        self.broken: set[str] = set()  # digests that cannot be learned
        self.away = False
        self.snapshot_missing = False

    async def states(self) -> dict[str, ScopeState]:
        return {
            scope: ScopeState(log[-1].revision, self.saved[scope].revision if scope in self.saved else 0, 0, 1, 1)
            for scope, log in self.log.items()
        }

    async def learn(self, samples: Sequence[TrainingSample], now: datetime) -> list[MailClass | None]:
        if self.away:
            raise Temporary("the database is away")
        if any(sample.digest in self.broken for sample in samples):
            raise ValueError("a bug")
        former = []
        for sample in samples:
            self.seen.append(sample)
            former.append(self.kinds.get(sample.key))
            if sample.kind is not None:
                self.kinds[sample.key] = sample.kind
            log = self.log.setdefault(sample.scope, [])
            times = int(sample.counts)
            spam, ham = (times, 0) if sample.kind == "spam" else (0, times)
            log.append(ModelChange(len(log) + 1, spam, ham, sample.tokens))
            self.waiting = [one for one in self.waiting if one.digest != sample.digest]
            self.old = [one for one in self.old if one.digest != sample.digest]
        return former

    async def changes(self, scope: str, *, since: int) -> AsyncIterator[ModelChange]:
        for change in self.log.get(scope, ()):
            if change.revision > since:
                yield change

    async def snapshot(self, scope: str, state: ScopeState) -> BayesModel:
        if self.away:
            raise Temporary("the database is away")
        if self.snapshot_missing:
            raise LookupError("the snapshot is damaged")
        return BayesModel()

    async def snapshot_before_log(self, scope: str, state: ScopeState) -> BayesModel:
        raise LookupError("no older snapshot")

    async def rebuild_from_samples(self, scope: str, state: ScopeState) -> BayesModel:
        return BayesModel(revision=state.revision)

    async def save(self, scope: str, snapshot: ModelSnapshot, *, over: ScopeState) -> bool:
        self.saved[scope] = BayesModel(snapshot.spam, snapshot.ham, snapshot.revision, tokens=dict(snapshot.tokens))
        return True

    async def awaiting_second_pass(self, limit: int) -> list[TrainingSample]:
        return self.waiting[:limit]

    async def older_than(self, moment: datetime, limit: int) -> list[TrainingSample]:
        return self.old[:limit]

    async def park(self, sample: TrainingSample, now: datetime) -> None:
        self.parked.append(sample.digest)
        self.waiting = [one for one in self.waiting if one.digest != sample.digest]


class World:
    def __init__(self) -> None:
        self.store = Store()
        self.models = ModelCache(always=DEFAULT, capacity=1000)
        self.events: list[Event] = []
        self.sure = False
        self.learner = Learner(
            cast(MongoBayes, self.store),
            self.models,
            cast(Bus, self),
            is_sure_of=self._is_sure_of,
            clock=lambda: NOW,
            tokens_limit=4,
            retention=timedelta(days=1),
        )

    def _is_sure_of(self, scope: str, kind: MailClass, tokens: Tokens) -> bool:
        return self.sure

    async def emit(self, event: Event) -> None:
        self.events.append(event)

    def model(self, scope: str = DEFAULT) -> BayesModel:
        model = self.models.get(scope)
        assert model is not None
        return model


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(module, "_PAUSE", -1.0)
    monkeypatch.setattr(module, "_SNAPSHOT_EVERY", 3)
    return World()


def a_sample(digest: str = "1", *, scope: str = DEFAULT, kind: MailClass | None = "spam") -> TrainingSample:
    return TrainingSample(scope, digest, kind, frozenset({"common", f"t{digest}"}))


async def test_a_new_sample_is_in_memory_and_announced_and_a_known_one_is_not(world: World) -> None:
    assert await world.learner.learn(a_sample()) is None
    assert world.model().tokens == {"common": (1, 0), "t1": (1, 0)}
    assert await world.learner.learn(a_sample()) == "spam"
    assert [BayesLearned.from_bus(event).domain for event in world.events] == [""]


async def test_a_sample_that_is_classified_surely_already_is_not_counted(world: World) -> None:
    world.sure = True
    await world.learner.learn(a_sample())
    await world.learner.learn(a_sample("2", kind=None))
    assert [sample.counts for sample in world.store.seen] == [False, True]


async def test_what_another_replica_learned_is_read_after_its_event(world: World) -> None:
    await world.learner.learn(a_sample())
    await world.store.learn([a_sample("2")], NOW)
    await world.learner.refresh_if_changed()
    assert world.model().revision == 1
    world.learner.bayes_learned(BayesLearned(domain=""))
    await world.learner.refresh_if_changed()
    assert world.model().revision == 2
    assert world.learner.learned(DEFAULT) == (1, 1)
    assert world.learner.learned("elsewhere.example") == (0, 0)


async def test_a_gap_in_the_log_forgets_the_model_until_it_is_restored(world: World) -> None:
    await world.learner.learn(a_sample())
    world.store.log[DEFAULT].append(ModelChange(5, 1, 0, frozenset("x")))
    with pytest.raises(Temporary, match="log of learned statistics"):
        await world.learner.refresh()
    assert world.models.get(DEFAULT) is None


async def test_statistics_of_a_domain_that_cannot_be_read_are_not_asked_for_again_and_again(world: World) -> None:
    await world.store.learn([a_sample(scope=DOMAIN)], NOW)
    await world.learner.refresh()
    world.store.away = True
    with capture_logs() as logs:
        for _ in range(3):
            await world.learner.load_domain(DOMAIN)
    assert [entry["event"] for entry in logs] == ["bayes_statistics_unavailable"]
    world.store.away = False
    world.learner._not_before[DOMAIN] = time.monotonic() - 1
    await world.learner.load_domain(DOMAIN)
    assert world.model(DOMAIN).revision == 1


async def test_the_second_pass_and_the_expiry_go_on_until_nothing_waits(world: World) -> None:
    world.store.waiting = [a_sample(str(number)) for number in range(50)]
    await world.learner.run_second_pass()
    world.store.old = [a_sample(str(number), kind=None) for number in range(50)]
    await world.learner.expire_samples()
    assert (world.store.waiting, world.store.old, len(world.store.seen)) == ([], [], 100)


async def test_a_sample_that_cannot_be_learned_is_parked_and_the_others_are_learned(world: World) -> None:
    world.store.waiting, world.store.broken = [a_sample(digest) for digest in "123"], {"2"}
    with capture_logs():
        await world.learner.run_second_pass()
    assert world.store.parked == ["2"]
    assert [sample.digest for sample in world.store.seen] == ["1", "3"]


async def test_an_outage_parks_nothing(world: World) -> None:
    world.store.waiting, world.store.away = [a_sample()], True
    with pytest.raises(Temporary):
        await world.learner.run_second_pass()
    assert world.store.parked == []


async def test_a_long_log_gets_a_snapshot_without_the_rarest_tokens(world: World) -> None:
    for number in range(3):
        await world.learner.save_snapshots()
        assert world.store.saved == {}
        await world.learner.learn(a_sample(str(number)))
    await world.learner.learn(a_sample("9"))
    await world.learner.save_snapshots()
    saved = world.store.saved[DEFAULT]
    assert (saved.revision, len(saved), saved.tokens["common"]) == (4, 3, (4, 0))


async def test_a_snapshot_that_cannot_be_saved_is_not_tried_in_every_round(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = []

    async def save(*args: Any, **options: Any) -> bool:
        tries.append(args)
        raise ValueError("a bug")

    monkeypatch.setattr(world.store, "save", save)
    for number in range(3):
        await world.learner.learn(a_sample(str(number)))
    with capture_logs() as logs:
        for _ in range(3):
            await world.learner.save_snapshots()
    assert len(tries) == 1
    assert "bayes_snapshot_failed" in [entry["event"] for entry in logs]


async def test_damaged_statistics_are_computed_from_the_samples_and_written_again(world: World) -> None:
    await world.store.learn([a_sample()], NOW)
    world.store.snapshot_missing = True
    with capture_logs() as logs:
        await world.learner.refresh()
    assert [(entry["event"], entry["source"]) for entry in logs] == [("bayes_statistics_repaired", "samples")]
    await world.learner.save_snapshots()
    assert world.store.saved[DEFAULT].revision == 1


async def test_a_snapshot_that_is_replaced_again_and_again_is_an_outage() -> None:
    store = Store()
    await store.learn([a_sample()], NOW)
    store.snapshot_missing = True
    revision = 0

    async def states() -> dict[str, ScopeState]:
        nonlocal revision
        revision += 1
        return {DEFAULT: ScopeState(9, revision, 0, 1, 1)}

    store.states = states  # type: ignore[method-assign]
    with pytest.raises(Temporary, match="again and again"):
        await restore_model(cast(MongoBayes, store), DEFAULT, ScopeState(9, 0, 0, 1, 1))

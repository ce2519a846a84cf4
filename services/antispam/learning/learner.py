"""Learns training samples: the samples go to the database, the token counts to memory."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from libs.bus import Bus
from libs.envelope import Temporary
from libs.events import BayesLearned
from libs.mongo import Batcher
from libs.runtime.periodic import each
from services.antispam.learning.model import BayesModel, MailClass, ModelCache, ModelSnapshot, ScopeState
from services.antispam.learning.mongo import MongoBayes
from services.antispam.learning.restoring import restore_model
from services.antispam.learning.samples import Tokens, TrainingSample
from services.antispam.policy.policy import DEFAULT

# Returns whether the statistics of a scope already classify a message with these tokens surely.
IsSureOf = Callable[[str, MailClass, Tokens], bool]

log = structlog.get_logger(__name__)

_BATCH = 20  # samples in one transaction
_PAUSE = 1.0  # seconds without new samples before the second pass
_REFRESH = 30.0  # seconds between refreshes without an event
_SNAPSHOT_EVERY = 1000  # changes; a start reads at most about twice as many
_EXPIRY_BATCHES = 50  # in one round
_AFTER_FAILURE = 30.0  # seconds without the statistics of a domain when they could not be read


class Learner:
    """Writes samples to the database and keeps the models in memory up to date with it.

    The statistics for all domains are always in memory, those of a domain from its first message on.
    """

    def __init__(
        self,
        store: MongoBayes,
        models: ModelCache,
        bus: Bus,
        *,
        is_sure_of: IsSureOf,
        clock: Callable[[], datetime],
        tokens_limit: int,
        retention: timedelta,
    ) -> None:
        self._retention = retention
        self._store = store
        self._is_sure_of = is_sure_of
        self._models = models
        self._bus = bus
        self._clock = clock
        self._tokens_limit = tokens_limit
        self._states: Mapping[str, ScopeState] = {}
        self._repaired: set[str] = set()
        self._parked: set[str] = set()  # scopes whose snapshots cannot be saved
        self._samples: Batcher[TrainingSample, MailClass | None] = Batcher(self._learn, max_items=_BATCH)
        self._reading = asyncio.Lock()
        self._not_before: dict[str, float] = {}
        self._last_sample = 0.0
        self._stale = False
        self._refreshed = 0.0

    async def learn(self, sample: TrainingSample) -> MailClass | None:
        """Learn a sample, durably and in memory, and return the former class of its message. Raises `Temporary`."""
        await self.load_domain(sample.scope)
        self._last_sample = time.monotonic()
        return await self._samples.add(sample)

    async def run_second_pass(self) -> None:
        """Run the second pass over stored samples after a pause without new ones. Raises `Temporary`."""
        while time.monotonic() - self._last_sample > _PAUSE and (
            samples := await self._store.awaiting_second_pass(_BATCH)
        ):
            await self._learn_stored(samples)

    def bayes_learned(self, fact: BayesLearned) -> None:
        """Handle the event: a replica, perhaps this one, learned; the next refresh reads the changes."""
        self._stale = True

    async def refresh_if_changed(self) -> None:
        """Read what other replicas learned. Raises `Temporary`."""
        # Events may be lost while the bus is away, so the statistics are also read without one from time to time.
        if self._stale or time.monotonic() - self._refreshed > _REFRESH:
            self._stale = False
            try:
                await self.refresh()
            except BaseException:
                self._stale = True
                raise

    async def refresh(self) -> None:
        """Read the changes of the statistics for all and of the domains in memory. Raises `Temporary`."""
        async with self._reading:
            self._refreshed = time.monotonic()
            self._states = await self._store.states()
            self._models.learned = {scope: (state.spam, state.ham) for scope, state in self._states.items()}
            for scope in {DEFAULT, *self._models.loaded()}:
                await self._catch_up(scope)

    async def load_domain(self, domain: str) -> None:
        """Load the statistics of `domain` into memory, unless it has none or they are there already."""
        if domain not in self._states or self._models.get(domain) is not None:
            return
        if self._not_before.get(domain, 0.0) > time.monotonic():
            return
        try:
            async with self._reading:
                await self._catch_up(domain)
        except Temporary as error:
            # Mail is judged without them: the statistics for all, and every other filter, still count.
            log.warning("bayes_statistics_unavailable", domain=domain, reason=error.reason)
            self._not_before[domain] = time.monotonic() + _AFTER_FAILURE

    async def expire_samples(self) -> None:
        """Unlearn samples beyond the retention, with their tokens; any replica may do it. Raises `Temporary`."""
        moment = self._clock() - self._retention
        for _ in range(_EXPIRY_BATCHES):
            if not (samples := await self._store.older_than(moment, _BATCH)):
                return
            await self._learn_stored(samples)

    def learned(self, scope: str) -> tuple[int, int]:
        """Return (spam messages, ham messages) learned for `scope`."""
        return self._models.learned.get(scope, (0, 0))

    async def save_snapshots(self) -> None:
        """Write snapshots of scopes with long logs, without their rarest tokens at the limit. Raises `Temporary`."""
        await each(tuple(self._models.loaded()), self._save_if_due, park=self._park_scope)

    async def _save_if_due(self, scope: str) -> None:
        state, model = self._states.get(scope), self._models.loaded().get(scope)
        if state is not None and model is not None and self._is_due(scope, model, state):
            self._repaired.discard(scope)
            await self._save(scope, model.copy(), state)  # new samples change the model meanwhile

    async def _park_scope(self, scope: str, reason: str) -> None:
        log.error("bayes_snapshot_failed", scope=scope, reason=reason)
        self._parked.add(scope)

    def _is_due(self, scope: str, model: BayesModel, state: ScopeState) -> bool:
        if scope in self._parked or model.epoch != state.epoch:  # a model of another epoch is read again first
            return False
        return scope in self._repaired or model.revision - state.snapshot >= _SNAPSHOT_EVERY

    async def _save(self, scope: str, snapshot: ModelSnapshot, state: ScopeState) -> None:
        if len(snapshot) > self._tokens_limit:
            snapshot = await asyncio.to_thread(snapshot.pruned, self._tokens_limit * 8 // 10)
        if await self._store.save(scope, snapshot, over=state):
            log.info("bayes_snapshot_saved", scope=scope, tokens=len(snapshot), revision=snapshot.revision)
        self._stale = True  # this or another replica changed the state of the scope

    def _marked(self, sample: TrainingSample) -> TrainingSample:
        """Mark a sample that the statistics already classify surely as not counted: training on error."""
        known = sample.kind is not None and self._is_sure_of(sample.scope, sample.kind, sample.tokens)
        return replace(sample, counts=not known)

    async def _learn(self, samples: Sequence[TrainingSample]) -> Sequence[MailClass | None]:
        samples = [self._marked(sample) for sample in samples]
        former = await self._store.learn(samples, self._clock())
        changed = {
            sample.scope
            for sample, before in zip(samples, former, strict=True)
            if before != sample.kind or (sample.pass_number == 2 and sample.counts)
        }
        if changed:
            await self.refresh()
        for scope in changed:
            await self._bus.emit(BayesLearned(domain="" if scope == DEFAULT else scope).to_bus())
        return former

    async def _learn_stored(self, samples: Sequence[TrainingSample]) -> None:
        """Learn stored samples together; one by one when that fails, so that one of them does not block the others."""
        for scope in {sample.scope for sample in samples}:
            await self.load_domain(scope)
        try:
            await self._learn(samples)
        except Temporary:
            raise
        except Exception as error:
            log.error("training_batch_failed", samples=len(samples), exc_info=error)
            await each(samples, self._learn_one, park=self._park_sample)

    async def _learn_one(self, sample: TrainingSample) -> None:
        await self._learn([sample])

    async def _park_sample(self, sample: TrainingSample, reason: str) -> None:
        log.error("training_sample_skipped", scope=sample.scope, digest=sample.digest, reason=reason)
        await self._store.park(sample, self._clock())

    async def _catch_up(self, scope: str) -> None:
        """Apply the log to the model; restore it from the snapshot when the log no longer reaches back to it."""
        state, model = self._states.get(scope), self._models.get(scope)
        if state is None:
            return
        if model is None or model.epoch != state.epoch or model.revision < state.snapshot:
            model, repaired = await restore_model(self._store, scope, state)
            if repaired:
                self._repaired.add(scope)
        elif model.revision < state.revision:
            await self._follow_log(scope, model)
        self._models.keep(scope, model)

    async def _follow_log(self, scope: str, model: BayesModel) -> None:
        try:
            async for change in self._store.changes(scope, since=model.revision):
                model.apply(change)
        except LookupError as gap:
            self._models.forget(scope)  # the next refresh restores it from its snapshot
            raise Temporary(f"log of learned statistics, {scope or 'all'}: {gap}") from gap

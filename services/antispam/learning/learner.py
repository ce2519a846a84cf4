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
from services.antispam.learning.model import MailClass, Model, ModelCache, ModelSnapshot, ScopeState
from services.antispam.learning.mongo import MongoBayes
from services.antispam.learning.restoring import restore_model
from services.antispam.learning.samples import Tokens, TrainingSample
from services.antispam.policy.policy import DEFAULT

# Whether the statistics of a scope say surely enough by themselves what a message with these tokens is.
Knows = Callable[[str, MailClass, Tokens], bool]

log = structlog.get_logger(__name__)

_BATCH = 20  # in one transaction
_PAUSE = 1.0  # seconds without samples before the second look
_REFRESH = 30.0  # seconds
_SNAPSHOT_EVERY = 1000  # changes: a start reads at most about twice as many
_FORGET_BATCHES = 50  # at a time
_AFTER_FAILURE = 30.0  # seconds without the statistics of a domain when they could not be read


class Learner:
    """The memory follows the database: always for all, for a domain from its first message on."""

    def __init__(
        self,
        store: MongoBayes,
        models: ModelCache,
        bus: Bus,
        *,
        knows: Knows,
        clock: Callable[[], datetime],
        tokens_limit: int,
        memory: timedelta,
    ) -> None:
        self._memory = memory
        self._store = store
        self._knows = knows
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
        """Durable, and known here, when it returns: what the message was learned as before. Raises `Temporary`."""
        await self.load_domain(sample.scope)
        self._last_sample = time.monotonic()
        return await self._samples.add(sample)

    async def run_second_pass(self) -> None:
        """The second look at each sample, once the first passes are over for now. Raises `Temporary`."""
        while time.monotonic() - self._last_sample > _PAUSE and (
            samples := await self._store.awaiting_second_pass(_BATCH)
        ):
            await self._learn_waiting(samples)

    def bayes_learned(self, fact: BayesLearned) -> None:
        """Another replica learned: the next round follows. It may be us, too; then there is nothing to read."""
        self._stale = True

    async def refresh_if_changed(self) -> None:
        """A round in the background: what others learned. Raises `Temporary`."""
        # Events may get lost while the bus is away, so now and then without one.
        if self._stale or time.monotonic() - self._refreshed > _REFRESH:
            self._stale = False
            try:
                await self.refresh()
            except BaseException:
                self._stale = True
                raise

    async def refresh(self) -> None:
        """What was learned for all, and by other replicas for the domains in memory. Raises `Temporary`."""
        async with self._reading:
            self._refreshed = time.monotonic()
            self._states = await self._store.states()
            self._models.learned = {scope: (state.spam, state.ham) for scope, state in self._states.items()}
            for scope in {DEFAULT, *self._models.loaded()}:
                await self._catch_up(scope)

    async def load_domain(self, domain: str) -> None:
        """The statistics of `domain` in memory, if it has any; costs nothing once they are."""
        if domain not in self._states or self._models.get(domain) is not None:
            return
        if self._not_before.get(domain, 0.0) > time.monotonic():
            return
        try:
            async with self._reading:
                await self._catch_up(domain)
        except Temporary as error:
            # Judged without them: the statistics for all, and every other filter, still speak.
            log.warning("statistics_not_read", domain=domain, reason=error.reason)
            self._not_before[domain] = time.monotonic() + _AFTER_FAILURE

    async def expire_samples(self) -> None:
        """Lessons of long ago are unlearned, so that their tokens go with them; any replica may. Raises `Temporary`."""
        moment = self._clock() - self._memory
        for _ in range(_FORGET_BATCHES):
            if not (samples := await self._store.older_than(moment, _BATCH)):
                return
            await self._learn_waiting(samples)

    def learned(self, scope: str) -> tuple[int, int]:
        """(messages of spam, of ham) taught for `scope`."""
        return self._models.learned.get(scope, (0, 0))

    async def save_snapshots(self) -> None:
        """Shorten logs that grew long; keep the memory bounded by throwing rare tokens away. Raises `Temporary`."""
        await each(tuple(self._models.loaded()), self._save_if_due, park=self._park_scope)

    async def _save_if_due(self, scope: str) -> None:
        state, model = self._states.get(scope), self._models.loaded().get(scope)
        if state is not None and model is not None and self._is_due(scope, model, state):
            self._repaired.discard(scope)
            await self._save(scope, model.taken(), state)  # samples go on changing the model meanwhile

    async def _park_scope(self, scope: str, reason: str) -> None:
        log.error("statistics_not_saved", scope=scope, reason=reason)
        self._parked.add(scope)

    def _is_due(self, scope: str, model: Model, state: ScopeState) -> bool:
        if scope in self._parked or model.epoch != state.epoch:  # of another epoch it is read anew first
            return False
        return scope in self._repaired or model.revision - state.snapshot >= _SNAPSHOT_EVERY

    async def _save(self, scope: str, snapshot: ModelSnapshot, state: ScopeState) -> None:
        if len(snapshot) > self._tokens_limit:
            snapshot = await asyncio.to_thread(snapshot.pruned, self._tokens_limit * 8 // 10)
        if await self._store.save(scope, snapshot, over=state):
            log.info("statistics_saved", scope=scope, tokens=len(snapshot), revision=snapshot.revision)
        self._stale = True  # what the database says of the scope is another now, whoever saved it

    def _weighed(self, sample: TrainingSample) -> TrainingSample:
        """Training on error: what the statistics say surely enough by themselves is not counted."""
        known = sample.kind is not None and self._knows(sample.scope, sample.kind, sample.tokens)
        return replace(sample, counts=not known)

    async def _learn(self, samples: Sequence[TrainingSample]) -> Sequence[MailClass | None]:
        samples = [self._weighed(sample) for sample in samples]
        befores = await self._store.learn(samples, self._clock())
        changed = {
            sample.scope
            for sample, before in zip(samples, befores, strict=True)
            if before != sample.kind or (sample.pass_number == 2 and sample.counts)
        }
        if changed:
            await self.refresh()
        for scope in changed:
            await self._bus.emit(BayesLearned(domain="" if scope == DEFAULT else scope).to_bus())
        return befores

    async def _learn_waiting(self, samples: Sequence[TrainingSample]) -> None:
        """All together; one by one where one of them cannot be learned, so that it does not keep the others."""
        for scope in {sample.scope for sample in samples}:
            await self.load_domain(scope)
        try:
            await self._learn(samples)
        except Temporary:
            raise
        except Exception as error:
            log.error("lessons_failed", samples=len(samples), exc_info=error)
            await each(samples, self._learn_one, park=self._park_sample)

    async def _learn_one(self, sample: TrainingSample) -> None:
        await self._learn([sample])

    async def _park_sample(self, sample: TrainingSample, reason: str) -> None:
        log.error("lesson_parked", scope=sample.scope, digest=sample.digest, reason=reason)
        await self._store.park(sample, self._clock())

    async def _catch_up(self, scope: str) -> None:
        """From the log; from the snapshot when the log does not reach back to where we are."""
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

    async def _follow_log(self, scope: str, model: Model) -> None:
        try:
            async for change in self._store.changes(scope, since=model.revision):
                model.apply(change)
        except LookupError as gap:
            self._models.forget(scope)  # the next round reads it from its snapshot
            raise Temporary(f"log of learned statistics, {scope or 'all'}: {gap}") from gap

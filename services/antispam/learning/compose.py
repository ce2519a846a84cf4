"""Composition of the learning slice: the learned statistics in MongoDB and in memory, and their background work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from libs.runtime import Periodic, Shared
from services.antispam.learning.learner import Learner
from services.antispam.learning.model import ModelCache
from services.antispam.learning.mongo import MongoBayes
from services.antispam.learning.statistics import BayesStatistics
from services.antispam.policy.policy import DEFAULT
from services.antispam.settings import Settings

_EXPIRY_PERIOD = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class LearningSlice:
    """`learner` writes, `statistics` is what filters ask, `store` exports."""

    store: MongoBayes
    learner: Learner
    statistics: BayesStatistics
    background: Sequence[Periodic]


async def open_learning(settings: Settings, shared: Shared, database: Any) -> LearningSlice:
    """Read the statistics for all domains into memory. Raises `Temporary` when MongoDB does not answer."""
    store = MongoBayes(shared.mongo, database)
    await store.prepare()
    models = ModelCache(always=DEFAULT, capacity=settings.bayes_cache_tokens)
    statistics = BayesStatistics(models, min_messages=settings.bayes_min_messages)
    learner = Learner(
        store,
        models,
        shared.bus,
        is_sure_of=statistics.is_sure_of,
        clock=shared.clock,
        tokens_limit=settings.bayes_max_tokens,
        retention=settings.bayes_retention,
    )
    await learner.refresh()
    return LearningSlice(store, learner, statistics, _background(learner, settings.flush_period))


def _background(learner: Learner, period: timedelta) -> Sequence[Periodic]:
    """Separate rows, so that a row that fails does not delay the others."""
    return (
        Periodic("bayes statistics", learner.refresh_if_changed, period),
        Periodic("second training pass", learner.run_second_pass, period),
        Periodic("expired training samples", learner.expire_samples, _EXPIRY_PERIOD),
        Periodic("bayes snapshots", learner.save_snapshots, period),
    )

"""Restores a model from its snapshot and log, or, where these are damaged, from older ones or from the samples."""

from __future__ import annotations

import structlog

from libs.envelope import Temporary
from services.antispam.learning.model import BayesModel, ScopeState
from services.antispam.learning.mongo import MongoBayes

log = structlog.get_logger(__name__)

_TRIES = 5  # other replicas may replace the snapshot while it is read


async def restore_model(store: MongoBayes, scope: str, state: ScopeState) -> tuple[BayesModel, bool]:
    """Return the current model of `scope`, and whether its snapshot must be written again. Raises `Temporary`."""
    for _ in range(_TRIES):
        try:
            return await _apply_log(store, scope, await store.snapshot(scope, state), state), False
        except LookupError as error:
            now = (await store.states()).get(scope, ScopeState(0, 0, 0, 0, 0))
            if (now.snapshot, now.epoch) == (state.snapshot, state.epoch):
                return await _repair(store, scope, now, str(error)), True
            state = now
    raise Temporary(f"the snapshot of {scope} was replaced again and again while it was read")


async def _apply_log(store: MongoBayes, scope: str, model: BayesModel, state: ScopeState) -> BayesModel:
    """Apply all later changes to `model`. Raises `LookupError` when the log has a gap or is too short."""
    async for change in store.changes(scope, since=model.revision):
        model.apply(change)
    if model.revision < state.revision:
        raise LookupError(f"the log ends at {model.revision} of {state.revision}")
    return model


async def _repair(store: MongoBayes, scope: str, state: ScopeState, reason: str) -> BayesModel:
    """Restore by the previous snapshot, to which the log usually reaches back, else from all samples."""
    try:
        model, source = await _apply_log(store, scope, await store.snapshot_before_log(scope, state), state), "log"
    except LookupError:
        model, source = await store.rebuild_from_samples(scope, state), "samples"
    log.warning(
        "bayes_statistics_repaired",
        scope=scope,
        source=source,
        revision=model.revision,
        tokens=len(model),
        reason=reason,
    )
    return model

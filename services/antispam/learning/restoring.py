"""Reading learned statistics back: snapshot and log, or, where these do not fit together, what they were made of."""

from __future__ import annotations

import structlog

from libs.envelope import Temporary
from services.antispam.learning.model import Model, ScopeState
from services.antispam.learning.mongo import MongoBayes

log = structlog.get_logger(__name__)

_TRIES = 5  # other replicas may replace the snapshot while it is read


async def restore_model(store: MongoBayes, scope: str, state: ScopeState) -> tuple[Model, bool]:
    """The model of `scope` as it is now, and whether its snapshot must be written anew. Raises `Temporary`."""
    for _ in range(_TRIES):
        try:
            return await _followed(store, scope, await store.snapshot(scope, state), state), False
        except LookupError as error:
            now = (await store.states()).get(scope, ScopeState(0, 0, 0, 0, 0))
            if (now.snapshot, now.epoch) == (state.snapshot, state.epoch):
                return await _repaired(store, scope, now, str(error)), True
            state = now
    raise Temporary(f"the snapshot of {scope} was replaced again and again while it was read")


async def _followed(store: MongoBayes, scope: str, model: Model, state: ScopeState) -> Model:
    """`model` after all changes that follow it. Raises `LookupError` when the log has a gap or is too short."""
    async for change in store.changes(scope, since=model.revision):
        model.apply(change)
    if model.revision < state.revision:
        raise LookupError(f"the log ends at {model.revision} of {state.revision}")
    return model


async def _repaired(store: MongoBayes, scope: str, state: ScopeState, reason: str) -> Model:
    """The log reaches back to the snapshot before this one, as a rule; the samples reach back to the first of all."""
    try:
        model, source = await _followed(store, scope, await store.where_log_begins(scope, state), state), "log"
    except LookupError:
        model, source = await store.relearned(scope, state), "lessons"
    log.warning(
        "statistics_repaired", scope=scope, source=source, revision=model.revision, tokens=len(model), reason=reason
    )
    return model

"""Learned statistics in MongoDB: training samples, a log of changes, and periodic snapshots.

A sample is counted exactly once, however many replicas learn it at the same time. It costs one small document instead
of a write for each of its tokens.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import orjson
import structlog

from libs.envelope import Temporary
from libs.mongo import DeleteOne, Mongo, ReplaceOne, mongo_errors
from services.antispam.learning.model import BayesModel, MailClass, ModelChange, ModelSnapshot, ScopeState
from services.antispam.learning.mongo_snapshots import delete_snapshots, read_snapshot, write_snapshot
from services.antispam.learning.samples import CountChange, Key, StoredSample, TrainingSample, training_outcome

log = structlog.get_logger(__name__)

_LAST = 2**62
_DEADLINE = timedelta(seconds=10)


class MongoBayes:
    """The collections of the statistics. `lessons` holds the training samples, and their `looks` are their passes.

    `models`: {_id: scope, revision, snapshot, epoch, spam, ham}; `changes`: {_id: {scope, revision}, spam, ham,
    tokens}; `snapshots`: see `mongo_snapshots.py`; `lessons`: {_id: {scope, digest}, kind, times, looks, tokens, at}.
    """

    def __init__(self, mongo: Mongo, database: Any) -> None:
        self._mongo = mongo
        self._database = database
        self._models = database["models"]
        self._changes = database["changes"]
        self._snapshots = database["snapshots"]
        self._samples = database["lessons"]

    async def prepare(self) -> None:
        """Create collections and indexes, since creation within a transaction may fail. Raises `Temporary`."""
        with mongo_errors("learned statistics"):
            existing = await self._database.list_collection_names()
            for name in {"models", "changes", "snapshots", "lessons"} - set(existing):
                await self._database.create_collection(name, check_exists=False)
            await self._samples.create_index("looks", partialFilterExpression={"looks": 1})
            await self._samples.create_index("at")

    async def states(self) -> Mapping[str, ScopeState]:
        """Return the state of every scope with samples. Raises `Temporary`."""
        with mongo_errors("learned statistics"):
            return {found["_id"]: _state(found) async for found in self._models.find({})}

    async def learn(self, samples: Sequence[TrainingSample], now: datetime) -> Sequence[MailClass | None]:
        """Learn all in one transaction; return the former class of each sample's message. Raises `Temporary`."""

        async def work(session: Any) -> Sequence[MailClass | None]:
            outcome = training_outcome(samples, await self._stored(samples, session))
            for scope in {*outcome.changes, *outcome.learned}:
                await self._append(scope, outcome.changes[scope], outcome.learned[scope], session)
            if outcome.stored:
                writes = [_write(key, after, now) for key, after in outcome.stored.items()]
                await self._samples.bulk_write(writes, ordered=False, session=session)
            return outcome.former

        # A transaction is tried again while the database is away, for longer than a client waits. If it was committed
        # all the same, the sample is known when it comes again.
        try:
            async with asyncio.timeout(_DEADLINE.total_seconds()):
                with mongo_errors("learning"):
                    return await self._mongo.transaction(work)
        except TimeoutError as error:
            raise Temporary(f"learning: no result within {_DEADLINE}") from error

    async def awaiting_second_pass(self, limit: int) -> Sequence[TrainingSample]:
        """Return samples that wait for their second pass. Raises `Temporary`."""
        with mongo_errors("learned statistics"):
            return [
                TrainingSample(
                    found["_id"]["scope"], found["_id"]["digest"], found["kind"], _tokens(found), pass_number=2
                )
                async for found in self._samples.find({"looks": 1}).limit(limit)
            ]

    async def older_than(self, moment: datetime, limit: int) -> Sequence[TrainingSample]:
        """Return samples that unlearn the messages learned before `moment`. Raises `Temporary`."""
        with mongo_errors("learned statistics"):
            return [
                TrainingSample(found["_id"]["scope"], found["_id"]["digest"], None, frozenset())
                async for found in self._samples.find({"at": {"$lt": moment}}, {"_id": 1}).sort("at", 1).limit(limit)
            ]

    async def park(self, sample: TrainingSample, now: datetime) -> None:
        """Exclude a sample from the second pass, and from expiry by a new date. Raises `Temporary`."""
        with mongo_errors("learned statistics"):
            await self._samples.update_one({"_id": _id(sample.key)}, {"$set": {"looks": 2, "at": now}})

    async def samples(self, scope: str) -> AsyncIterator[TrainingSample]:
        """Yield all samples of `scope`, ordered by digest. Raises `Temporary`."""
        with mongo_errors("learned statistics"):
            async for found in self._samples.find(_samples_of(scope)).sort("_id", 1):
                yield TrainingSample(scope, found["_id"]["digest"], found["kind"], _tokens(found))

    async def changes(self, scope: str, *, since: int) -> AsyncIterator[ModelChange]:
        """Yield the changes in the log after the revision `since`, in order. Raises `Temporary`."""
        with mongo_errors("learned statistics"):
            async for found in self._changes.find(_between(scope, since + 1, _LAST)).sort("_id", 1):
                yield ModelChange(found["_id"]["revision"], found["spam"], found["ham"], _tokens(found))

    async def snapshot(self, scope: str, state: ScopeState) -> BayesModel:
        """Return the model of the snapshot of `state`, an empty one at 0. Raises `Temporary`, `LookupError`."""
        with mongo_errors("learned statistics"):
            return await read_snapshot(self._snapshots, scope, state.snapshot, epoch=state.epoch)

    async def snapshot_before_log(self, scope: str, state: ScopeState) -> BayesModel:
        """Return the model before the oldest change in the log. Raises `Temporary`, `LookupError`."""
        with mongo_errors("learned statistics"):
            oldest = await self._changes.find_one(_between(scope, 0, _LAST), sort=[("_id", 1)])
            if oldest is None:
                raise LookupError("there is no log")
            return await read_snapshot(self._snapshots, scope, oldest["_id"]["revision"] - 1, epoch=state.epoch)

    async def rebuild_from_samples(self, scope: str, state: ScopeState) -> BayesModel:
        """Return a model that is computed from all stored samples. Raises `Temporary`, `LookupError`."""
        with mongo_errors("learned statistics"):
            # A snapshot read: revision and samples belong to the same moment, whatever is learned meanwhile.
            async with self._database.client.start_session(snapshot=True) as session:
                found = await self._models.find_one({"_id": scope}, session=session)
                if found is None:
                    raise LookupError("the scope was deleted")
                model = BayesModel(revision=found["revision"], epoch=state.epoch)
                async for sample in self._samples.find(_samples_of(scope), session=session):
                    model.add(sample["kind"], sample["times"], _tokens(sample))
        return model

    async def save(self, scope: str, snapshot: ModelSnapshot, *, over: ScopeState) -> bool:
        """Store the snapshot of `scope` and shorten the log. Raises `Temporary`.

        Return False when another replica was quicker, or wrote a snapshot of the same revision.
        """
        with mongo_errors("learned statistics"):
            if not await write_snapshot(self._snapshots, scope, snapshot):
                return False
            done = await self._models.update_one(
                {"_id": scope, "snapshot": over.snapshot, "epoch": over.epoch},
                {"$set": {"snapshot": snapshot.revision, "epoch": snapshot.epoch}},
            )
            if done.matched_count:
                # The previous snapshot and the log after it stay for replicas that are reading them at the moment.
                await self._changes.delete_many(_between(scope, 0, over.snapshot))
                await delete_snapshots(self._snapshots, scope, before=over.snapshot)
        return bool(done.matched_count)

    async def _stored(self, samples: Sequence[TrainingSample], session: Any) -> Mapping[Key, StoredSample]:
        ids = [_id(sample.key) for sample in samples]
        return {
            (found["_id"]["scope"], found["_id"]["digest"]): StoredSample(
                found["kind"], found["times"], found["looks"], _tokens(found)
            )
            async for found in self._samples.find({"_id": {"$in": ids}}, session=session)
        }

    async def _append(
        self, scope: str, changes: Sequence[CountChange], learned: Mapping[MailClass, int], session: Any
    ) -> None:
        # The scope is written first: transactions on it wait for one another here, so that revisions are in the order
        # of commits, and a reader of everything after revision N misses nothing.
        sums = {"spam": learned["spam"], "ham": learned["ham"], "revision": len(changes)}
        state = await self._models.find_one_and_update(
            {"_id": scope},
            {"$inc": sums, "$setOnInsert": {"snapshot": 0, "epoch": 0}},
            upsert=True,
            return_document=True,
            session=session,
        )
        first = state["revision"] - len(changes) + 1
        documents = [_document(scope, revision, step) for revision, step in enumerate(changes, start=first)]
        if documents:
            await self._changes.insert_many(documents, session=session)


def _document(scope: str, revision: int, step: CountChange) -> dict[str, Any]:
    key = {"scope": scope, "revision": revision}
    return {"_id": key, "spam": step.spam, "ham": step.ham, "tokens": _compressed(step.tokens)}


def _write(key: Key, after: StoredSample | None, now: datetime) -> DeleteOne | ReplaceOne[dict[str, Any]]:
    if after is None:
        return DeleteOne({"_id": _id(key)})
    fields = {
        "kind": after.kind,
        "times": after.times,
        "looks": after.passes,
        "tokens": _compressed(after.tokens),
        "at": now,
    }
    return ReplaceOne({"_id": _id(key)}, fields, upsert=True)


def _id(key: Key) -> dict[str, str]:
    return {"scope": key[0], "digest": key[1]}


def _compressed(tokens: frozenset[str]) -> bytes:
    return zlib.compress(orjson.dumps(sorted(tokens)), 1)


def _tokens(document: Mapping[str, Any]) -> frozenset[str]:
    try:
        return frozenset(orjson.loads(zlib.decompress(document["tokens"])))
    except (zlib.error, orjson.JSONDecodeError) as error:
        # The statistics stay usable without one message.
        log.error("sample_tokens_skipped", id=document["_id"], reason=str(error))
        return frozenset()


def _between(scope: str, first: int, last: int) -> dict[str, Any]:
    """Select changes by their whole key, which is what the index holds."""
    return {"_id": {"$gte": {"scope": scope, "revision": first}, "$lte": {"scope": scope, "revision": last}}}


def _samples_of(scope: str) -> dict[str, Any]:
    """Select samples by their whole key; a digest is hexadecimal, so `g` is behind all of them."""
    return {"_id": {"$gte": {"scope": scope, "digest": ""}, "$lt": {"scope": scope, "digest": "g"}}}


def _state(document: Mapping[str, Any]) -> ScopeState:
    return ScopeState(**{name: document[name] for name in ("revision", "snapshot", "epoch", "spam", "ham")})

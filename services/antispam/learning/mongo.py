"""Learned statistics in MongoDB: a log of changes, and a snapshot now and then.

What is learned is counted exactly once, however many replicas learn it at a time; a sample costs one small document,
not a write for each of its tokens.
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
from services.antispam.learning.model import MailClass, Model, ModelChange, ModelSnapshot, ScopeState
from services.antispam.learning.mongo_snapshots import delete_snapshots, read_snapshot, write_snapshot
from services.antispam.learning.samples import CountChange, Key, StoredSample, TrainingSample, training_outcome

log = structlog.get_logger(__name__)

_LAST = 2**62
_DEADLINE = timedelta(seconds=10)


class MongoBayes:
    """`models`: {_id: scope, revision, snapshot, epoch, spam, ham}; `changes`: {_id: {scope, revision}, spam, ham,
    tokens}; `snapshots`: see `snapshots.py`; `samples`: {_id: {scope, digest}, kind, times, passes, tokens, at}.
    """

    def __init__(self, mongo: Mongo, database: Any) -> None:
        self._mongo = mongo
        self._database = database
        self._models = database["models"]
        self._changes = database["changes"]
        self._snapshots = database["snapshots"]
        self._samples = database["lessons"]

    async def prepare(self) -> None:
        """Create the collections: within a transaction that may fail. Raises `Temporary`."""
        with mongo_errors("learned statistics"):
            existing = await self._database.list_collection_names()
            for name in {"models", "changes", "snapshots", "lessons"} - set(existing):
                await self._database.create_collection(name, check_exists=False)
            await self._samples.create_index("looks", partialFilterExpression={"looks": 1})
            await self._samples.create_index("at")

    async def states(self) -> Mapping[str, ScopeState]:
        """Of every scope that ever learned. Raises `Temporary`."""
        with mongo_errors("learned statistics"):
            return {found["_id"]: _state(found) async for found in self._models.find({})}

    async def learn(self, samples: Sequence[TrainingSample], now: datetime) -> Sequence[MailClass | None]:
        """All in one transaction; for each sample, what the message was learned as before. Raises `Temporary`."""

        async def work(session: Any) -> Sequence[MailClass | None]:
            outcome = training_outcome(samples, await self._known(samples, session))
            for scope in {*outcome.steps, *outcome.learned}:
                await self._append(scope, outcome.steps[scope], outcome.learned[scope], session)
            if outcome.after:
                writes = [_remember(key, after, now) for key, after in outcome.after.items()]
                await self._samples.bulk_write(writes, ordered=False, session=session)
            return outcome.befores

        # A transaction tries again and again while the database is away, longer than whoever teaches will wait. If it
        # was committed all the same, the sample is known when it comes again.
        try:
            async with asyncio.timeout(_DEADLINE.total_seconds()):
                with mongo_errors("learning"):
                    return await self._mongo.transaction(work)
        except TimeoutError as error:
            raise Temporary(f"learning: no result within {_DEADLINE}") from error

    async def awaiting_second_pass(self, limit: int) -> Sequence[TrainingSample]:
        """Lessons that wait for their second look, as such. Raises `Temporary`."""
        with mongo_errors("learned statistics"):
            return [
                TrainingSample(
                    found["_id"]["scope"], found["_id"]["digest"], found["kind"], _tokens(found), pass_number=2
                )
                async for found in self._samples.find({"looks": 1}).limit(limit)
            ]

    async def older_than(self, moment: datetime, limit: int) -> Sequence[TrainingSample]:
        """Lessons that were taught before, as what forgets them. Raises `Temporary`."""
        with mongo_errors("learned statistics"):
            return [
                TrainingSample(found["_id"]["scope"], found["_id"]["digest"], None, frozenset())
                async for found in self._samples.find({"at": {"$lt": moment}}, {"_id": 1}).sort("at", 1).limit(limit)
            ]

    async def park(self, sample: TrainingSample, now: datetime) -> None:
        """It waits for nothing any more: no second look, and it is as young as can be. Raises `Temporary`."""
        with mongo_errors("learned statistics"):
            await self._samples.update_one({"_id": _id(sample.key)}, {"$set": {"looks": 2, "at": now}})

    async def samples(self, scope: str) -> AsyncIterator[TrainingSample]:
        """Everything that was taught for `scope`, by digest. Raises `Temporary`."""
        with mongo_errors("learned statistics"):
            async for found in self._samples.find(_samples_of(scope)).sort("_id", 1):
                yield TrainingSample(scope, found["_id"]["digest"], found["kind"], _tokens(found))

    async def changes(self, scope: str, *, since: int) -> AsyncIterator[ModelChange]:
        """The log after change `since`, in order. Raises `Temporary`."""
        with mongo_errors("learned statistics"):
            async for found in self._changes.find(_between(scope, since + 1, _LAST)).sort("_id", 1):
                yield ModelChange(found["_id"]["revision"], found["spam"], found["ham"], _tokens(found))

    async def snapshot(self, scope: str, state: ScopeState) -> Model:
        """The model as of the snapshot of `state`; empty when there is none yet. Raises `Temporary`, `LookupError`."""
        with mongo_errors("learned statistics"):
            return await read_snapshot(self._snapshots, scope, state.snapshot, epoch=state.epoch)

    async def where_log_begins(self, scope: str, state: ScopeState) -> Model:
        """The model to which the oldest change that is kept was applied. Raises `Temporary`, `LookupError`."""
        with mongo_errors("learned statistics"):
            oldest = await self._changes.find_one(_between(scope, 0, _LAST), sort=[("_id", 1)])
            if oldest is None:
                raise LookupError("there is no log")
            return await read_snapshot(self._snapshots, scope, oldest["_id"]["revision"] - 1, epoch=state.epoch)

    async def relearned(self, scope: str, state: ScopeState) -> Model:
        """The model worked out anew from every sample that is remembered. Raises `Temporary`, `LookupError`."""
        with mongo_errors("learned statistics"):
            # One moment for all: revision and samples belong together, whoever teaches meanwhile.
            async with self._database.client.start_session(snapshot=True) as session:
                found = await self._models.find_one({"_id": scope}, session=session)
                if found is None:
                    raise LookupError("the scope was deleted")
                model = Model(revision=found["revision"], epoch=state.epoch)
                async for sample in self._samples.find(_samples_of(scope), session=session):
                    model.add(sample["kind"], sample["times"], _tokens(sample))
        return model

    async def save(self, scope: str, snapshot: ModelSnapshot, *, over: ScopeState) -> bool:
        """Make it the snapshot of `scope` and shorten the log; False when another replica was quicker, or tried the
        same at this revision. Raises `Temporary`.
        """
        with mongo_errors("learned statistics"):
            if not await write_snapshot(self._snapshots, scope, snapshot):
                return False
            done = await self._models.update_one(
                {"_id": scope, "snapshot": over.snapshot, "epoch": over.epoch},
                {"$set": {"snapshot": snapshot.revision, "epoch": snapshot.epoch}},
            )
            if done.matched_count:
                # The snapshot before this one, and the log behind that, stay for who is reading them just now.
                await self._changes.delete_many(_between(scope, 0, over.snapshot))
                await delete_snapshots(self._snapshots, scope, before=over.snapshot)
        return bool(done.matched_count)

    async def _known(self, samples: Sequence[TrainingSample], session: Any) -> Mapping[Key, StoredSample]:
        ids = [_id(sample.key) for sample in samples]
        return {
            (found["_id"]["scope"], found["_id"]["digest"]): StoredSample(
                found["kind"], found["times"], found["looks"], _tokens(found)
            )
            async for found in self._samples.find({"_id": {"$in": ids}}, session=session)
        }

    async def _append(
        self, scope: str, steps: Sequence[CountChange], learned: Mapping[MailClass, int], session: Any
    ) -> None:
        # First the scope: transactions on it wait for one another here, so revisions come in the order of commits, and
        # whoever reads everything after revision N misses nothing.
        sums = {"spam": learned["spam"], "ham": learned["ham"], "revision": len(steps)}
        state = await self._models.find_one_and_update(
            {"_id": scope},
            {"$inc": sums, "$setOnInsert": {"snapshot": 0, "epoch": 0}},
            upsert=True,
            return_document=True,
            session=session,
        )
        first = state["revision"] - len(steps) + 1
        documents = [_document(scope, revision, step) for revision, step in enumerate(steps, start=first)]
        if documents:
            await self._changes.insert_many(documents, session=session)


def _document(scope: str, revision: int, step: CountChange) -> dict[str, Any]:
    key = {"scope": scope, "revision": revision}
    return {"_id": key, "spam": step.spam, "ham": step.ham, "tokens": _packed(step.tokens)}


def _remember(key: Key, after: StoredSample | None, now: datetime) -> DeleteOne | ReplaceOne[dict[str, Any]]:
    if after is None:
        return DeleteOne({"_id": _id(key)})
    fields = {
        "kind": after.kind,
        "times": after.times,
        "looks": after.passes,
        "tokens": _packed(after.tokens),
        "at": now,
    }
    return ReplaceOne({"_id": _id(key)}, fields, upsert=True)


def _id(key: Key) -> dict[str, str]:
    return {"scope": key[0], "digest": key[1]}


def _packed(tokens: frozenset[str]) -> bytes:
    return zlib.compress(orjson.dumps(sorted(tokens)), 1)


def _tokens(document: Mapping[str, Any]) -> frozenset[str]:
    try:
        return frozenset(orjson.loads(zlib.decompress(document["tokens"])))
    except (zlib.error, orjson.JSONDecodeError) as error:
        # One message less in the statistics is no reason for having none.
        log.error("tokens_unreadable", id=document["_id"], reason=str(error))
        return frozenset()


def _between(scope: str, first: int, last: int) -> dict[str, Any]:
    """Changes by their whole key, which is what the index holds."""
    return {"_id": {"$gte": {"scope": scope, "revision": first}, "$lte": {"scope": scope, "revision": last}}}


def _samples_of(scope: str) -> dict[str, Any]:
    """Lessons likewise; a digest is hexadecimal."""
    return {"_id": {"$gte": {"scope": scope, "digest": ""}, "$lt": {"scope": scope, "digest": "g"}}}


def _state(document: Mapping[str, Any]) -> ScopeState:
    return ScopeState(**{name: document[name] for name in ("revision", "snapshot", "epoch", "spam", "ham")})

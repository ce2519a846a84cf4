"""Learned statistics in MongoDB: a log of changes, and a snapshot now and then.

What is learned is counted exactly once, however many replicas learn it at a time; a lesson costs one small document,
not a write for each of its tokens.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

import orjson

from libs.envelope import Temporary
from libs.mongo import DeleteOne, Mongo, ReplaceOne, mongo_errors
from services.antispam.domain.learned import Change, Class, Model, State
from services.antispam.domain.lessons import Key, Lesson, Remembered, Step, worked_out

_PART = 50_000  # tokens in one document of a snapshot: well under MongoDB's 16 MB
_LAST = 2**62
_DEADLINE = timedelta(seconds=10)


class MongoLearning:
    """`models`: {_id: scope, revision, snapshot, epoch, spam, ham}; `changes`: {_id: {scope, revision}, spam, ham,
    tokens}; `snapshots`: {_id: {scope, revision, part}, parts, rows, spam, ham}; `lessons`: {_id: {scope, digest},
    kind, times, looks, tokens, at}.
    """

    def __init__(self, mongo: Mongo, database: Any) -> None:
        self._mongo = mongo
        self._database = database
        self._models = database["models"]
        self._changes = database["changes"]
        self._snapshots = database["snapshots"]
        self._lessons = database["lessons"]

    async def prepare(self) -> None:
        """Create the collections: within a transaction that may fail. Raises `Temporary`."""
        with mongo_errors("learned statistics"):
            existing = await self._database.list_collection_names()
            for name in {"models", "changes", "snapshots", "lessons"} - set(existing):
                await self._database.create_collection(name, check_exists=False)
            await self._lessons.create_index("looks", partialFilterExpression={"looks": 1})
            await self._lessons.create_index("at")

    async def states(self) -> Mapping[str, State]:
        """Of every scope that ever learned. Raises `Temporary`."""
        with mongo_errors("learned statistics"):
            return {found["_id"]: _state(found) async for found in self._models.find({})}

    async def learn(self, lessons: Sequence[Lesson], now: datetime) -> Sequence[Class | None]:
        """All in one transaction; for each lesson, what the message was learned as before. Raises `Temporary`."""

        async def work(session: Any) -> Sequence[Class | None]:
            outcome = worked_out(lessons, await self._known(lessons, session))
            for scope in {*outcome.steps, *outcome.learned}:
                await self._append(scope, outcome.steps[scope], outcome.learned[scope], session)
            if outcome.after:
                writes = [_remember(key, after, now) for key, after in outcome.after.items()]
                await self._lessons.bulk_write(writes, ordered=False, session=session)
            return outcome.befores

        # A transaction tries again and again while the database is away, longer than whoever teaches will wait. If it
        # was committed all the same, the lesson is known when it comes again.
        try:
            async with asyncio.timeout(_DEADLINE.total_seconds()):
                with mongo_errors("learning"):
                    return await self._mongo.transaction(work)
        except TimeoutError as error:
            raise Temporary(f"learning: no result within {_DEADLINE}") from error

    async def looked_at_once(self, limit: int) -> Sequence[Lesson]:
        """Lessons that wait for their second look, as such. Raises `Temporary`."""
        with mongo_errors("learned statistics"):
            return [
                Lesson(found["_id"]["scope"], found["_id"]["digest"], found["kind"], _tokens(found), look=2)
                async for found in self._lessons.find({"looks": 1}).limit(limit)
            ]

    async def older_than(self, moment: datetime, limit: int) -> Sequence[Lesson]:
        """Lessons that were taught before, as what forgets them. Raises `Temporary`."""
        with mongo_errors("learned statistics"):
            return [
                Lesson(found["_id"]["scope"], found["_id"]["digest"], None, frozenset())
                async for found in self._lessons.find({"at": {"$lt": moment}}, {"_id": 1}).sort("at", 1).limit(limit)
            ]

    async def lessons(self, scope: str) -> AsyncIterator[Lesson]:
        """Everything that was taught for `scope`, by digest. Raises `Temporary`."""
        between = {"$gte": {"scope": scope, "digest": ""}, "$lt": {"scope": scope, "digest": "g"}}
        with mongo_errors("learned statistics"):
            async for found in self._lessons.find({"_id": between}).sort("_id", 1):
                yield Lesson(scope, found["_id"]["digest"], found["kind"], _tokens(found))

    async def changes(self, scope: str, *, since: int) -> AsyncIterator[Change]:
        """The log after change `since`, in order. Raises `Temporary`."""
        with mongo_errors("learned statistics"):
            async for found in self._changes.find(_between(scope, since + 1, _LAST)).sort("_id", 1):
                yield Change(found["_id"]["revision"], found["spam"], found["ham"], _tokens(found))

    async def snapshot(self, scope: str, state: State) -> Model:
        """The model as of the snapshot of `state`; empty when there is none yet. Raises `Temporary`."""
        model, missing = Model(revision=state.snapshot, epoch=state.epoch), int(state.snapshot > 0)
        with mongo_errors("learned statistics"):
            async for part in self._snapshots.find(_parts_between(scope, state.snapshot, state.snapshot)).sort(
                "_id", 1
            ):
                model.spam, model.ham = part["spam"], part["ham"]
                model.put(orjson.loads(zlib.decompress(part["rows"])))
                missing = part["parts"] - part["_id"]["part"] - 1
        if missing:
            raise Temporary(f"the snapshot {state.snapshot} of {scope} was replaced twice while it was read")
        return model

    async def save(self, scope: str, model: Model, *, over: State) -> bool:
        """Make `model` the snapshot and shorten the log; False when another replica was quicker. Raises `Temporary`."""
        key = {"scope": scope, "revision": model.revision}
        with mongo_errors("learned statistics"):
            count = max(-(-len(model) // _PART), 1)
            for number, rows in enumerate(_parts(model)):
                part = {"rows": rows, "parts": count, "spam": model.spam, "ham": model.ham}
                await self._snapshots.replace_one({"_id": {**key, "part": number}}, part, upsert=True)
            done = await self._models.update_one(
                {"_id": scope, "snapshot": over.snapshot, "epoch": over.epoch},
                {"$set": {"snapshot": model.revision, "epoch": model.epoch}},
            )
            if done.modified_count:
                # The snapshot before this one, and the log behind that, stay for who is reading them just now.
                await self._changes.delete_many(_between(scope, 0, over.snapshot))
                await self._snapshots.delete_many(_parts_between(scope, 0, over.snapshot - 1))
        return bool(done.modified_count)

    async def _known(self, lessons: Sequence[Lesson], session: Any) -> Mapping[Key, Remembered]:
        ids = [_id(lesson.key) for lesson in lessons]
        return {
            (found["_id"]["scope"], found["_id"]["digest"]): Remembered(
                found["kind"], found["times"], found["looks"], _tokens(found)
            )
            async for found in self._lessons.find({"_id": {"$in": ids}}, session=session)
        }

    async def _append(self, scope: str, steps: Sequence[Step], learned: Mapping[Class, int], session: Any) -> None:
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


def _document(scope: str, revision: int, step: Step) -> dict[str, Any]:
    key = {"scope": scope, "revision": revision}
    return {"_id": key, "spam": step.spam, "ham": step.ham, "tokens": _packed(step.tokens)}


def _remember(key: Key, after: Remembered | None, now: datetime) -> DeleteOne | ReplaceOne[dict[str, Any]]:
    if after is None:
        return DeleteOne({"_id": _id(key)})
    fields = {
        "kind": after.kind,
        "times": after.times,
        "looks": after.looks,
        "tokens": _packed(after.tokens),
        "at": now,
    }
    return ReplaceOne({"_id": _id(key)}, fields, upsert=True)


def _id(key: Key) -> dict[str, str]:
    return {"scope": key[0], "digest": key[1]}


def _packed(tokens: frozenset[str]) -> bytes:
    return zlib.compress(orjson.dumps(sorted(tokens)), 1)


def _tokens(document: Mapping[str, Any]) -> frozenset[str]:
    return frozenset(orjson.loads(zlib.decompress(document["tokens"])))


def _parts(model: Model) -> Iterator[bytes]:
    """At least one, so that a snapshot of nothing is known from a missing one."""
    rows = model.rows()
    yield zlib.compress(orjson.dumps(list(islice(rows, _PART))), 1)
    while part := list(islice(rows, _PART)):
        yield zlib.compress(orjson.dumps(part), 1)


def _between(scope: str, first: int, last: int) -> dict[str, Any]:
    """Changes by their whole key, which is what the index holds."""
    return {"_id": {"$gte": {"scope": scope, "revision": first}, "$lte": {"scope": scope, "revision": last}}}


def _parts_between(scope: str, first: int, last: int) -> dict[str, Any]:
    """Parts of snapshots, likewise."""
    lowest, highest = {"revision": first, "part": 0}, {"revision": last, "part": _LAST}
    return {"_id": {"$gte": {"scope": scope, **lowest}, "$lte": {"scope": scope, **highest}}}


def _state(document: Mapping[str, Any]) -> State:
    return State(**{name: document[name] for name in ("revision", "snapshot", "epoch", "spam", "ham")})

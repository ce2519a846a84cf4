"""Learned statistics in MongoDB: a log of changes, and a snapshot now and then.

What is learned is counted exactly once, however many replicas learn it at a time; a lesson costs one small document,
not a write for each of its tokens.
"""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

import orjson
from pymongo import DeleteOne, UpdateOne

from libs.envelope import Temporary
from libs.mongo import Mongo, mongo_errors
from services.antispam.domain.learned import Change, Class, Lesson, Model
from services.antispam.domain.lessons import Known, Step, worked_out

_PART = 50_000  # tokens in one document of a snapshot: well under MongoDB's 16 MB
_LAST = 2**62


@dataclass(frozen=True, slots=True)
class State:
    """Where the log of a scope is: its last change, the change that the snapshot holds, and the sums."""

    revision: int
    snapshot: int
    epoch: int
    spam: int
    ham: int


class MongoLearning:
    """`models`: {_id: scope, revision, snapshot, epoch, spam, ham}; `changes`: {_id: {scope, revision}, spam, ham,
    tokens}; `snapshots`: {_id: {scope, revision, part}, parts, rows, spam, ham}; `lessons`: {_id: {scope, digest},
    kind, at}.
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

    async def states(self) -> Mapping[str, State]:
        """Of every scope that ever learned. Raises `Temporary`."""
        with mongo_errors("learned statistics"):
            return {found["_id"]: _state(found) async for found in self._models.find({})}

    async def learn(self, lessons: Sequence[Lesson], now: datetime) -> Sequence[Class | None]:
        """All in one transaction; for each lesson, what the message was learned as before. Raises `Temporary`."""

        async def work(session: Any) -> Sequence[Class | None]:
            outcome = worked_out(lessons, await self._known(lessons, session))
            for scope, steps in outcome.steps.items():
                await self._append(scope, steps, session)
            if outcome.steps:
                await self._lessons.bulk_write(_remembered(outcome.known, now), ordered=False, session=session)
            return outcome.befores

        with mongo_errors("learning"):
            return await self._mongo.transaction(work)

    async def changes(self, scope: str, *, since: int) -> AsyncIterator[Change]:
        """The log after change `since`, in order. Raises `Temporary`."""
        with mongo_errors("learned statistics"):
            async for found in self._changes.find(_between(scope, since + 1, _LAST)).sort("_id", 1):
                tokens = frozenset(orjson.loads(zlib.decompress(found["tokens"])))
                yield Change(found["_id"]["revision"], found["spam"], found["ham"], tokens)

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

    async def _known(self, lessons: Sequence[Lesson], session: Any) -> Known:
        ids = [{"scope": lesson.scope, "digest": lesson.digest} for lesson in lessons]
        cursor = self._lessons.find({"_id": {"$in": ids}}, session=session)
        return {(found["_id"]["scope"], found["_id"]["digest"]): found["kind"] async for found in cursor}

    async def _append(self, scope: str, steps: Sequence[Step], session: Any) -> None:
        # First the scope: transactions on it wait for one another here, so revisions come in the order of commits, and
        # whoever reads everything after revision N misses nothing.
        sums = {"spam": sum(step.spam for step in steps), "ham": sum(step.ham for step in steps)}
        state = await self._models.find_one_and_update(
            {"_id": scope},
            {"$inc": {**sums, "revision": len(steps)}, "$setOnInsert": {"snapshot": 0, "epoch": 0}},
            upsert=True,
            return_document=True,
            session=session,
        )
        first = state["revision"] - len(steps) + 1
        documents = [_document(scope, revision, step) for revision, step in enumerate(steps, start=first)]
        await self._changes.insert_many(documents, session=session)


def _document(scope: str, revision: int, step: Step) -> dict[str, Any]:
    tokens = zlib.compress(orjson.dumps(sorted(step.tokens)), 1)
    return {"_id": {"scope": scope, "revision": revision}, "spam": step.spam, "ham": step.ham, "tokens": tokens}


def _remembered(known: Known, now: datetime) -> list[Any]:
    keys = {key: {"_id": {"scope": key[0], "digest": key[1]}} for key in known}
    return [
        DeleteOne(keys[key]) if kind is None else UpdateOne(keys[key], {"$set": {"kind": kind, "at": now}}, upsert=True)
        for key, kind in known.items()
    ]


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

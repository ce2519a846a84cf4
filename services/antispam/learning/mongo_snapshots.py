"""Snapshots of learned statistics in MongoDB, each in parts: {_id: {scope, revision, part}, parts, rows, spam, ham}.

A part is written once and never replaced, so that a snapshot comes from one writer. Two replicas have the same counts
at the same revision, but each has its own order of tokens, so that parts of both would not be a complete snapshot.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Sequence
from itertools import islice
from typing import Any

import orjson

from libs.mongo import DuplicateKey
from services.antispam.learning.model import BayesModel, ModelSnapshot

_PART = 50_000  # tokens in one document, far below MongoDB's limit of 16 MB
_LAST = 2**62

Row = tuple[str, int, int]


async def read_snapshot(collection: Any, scope: str, revision: int, *, epoch: int) -> BayesModel:
    """Return the model of `revision`, an empty one at 0. Raises `LookupError` when it is not complete."""
    model, read = BayesModel(revision=revision, epoch=epoch), 0
    if not revision:
        return model
    async for part in collection.find(_parts_between(scope, revision, revision)).sort("_id", 1):
        if part["_id"]["part"] != read or not 0 <= read < part["parts"]:
            raise LookupError(f"snapshot {revision} of {scope}: part {read} of {part['parts']} is missing")
        model.spam, model.ham, left = part["spam"], part["ham"], part["parts"] - read - 1
        try:
            model.put(orjson.loads(zlib.decompress(part["rows"])))
        except (zlib.error, ValueError, TypeError) as error:
            raise LookupError(f"snapshot {revision} of {scope}: part {read} cannot be read: {error}") from error
        read += 1
    if not read or left:
        raise LookupError(f"snapshot {revision} of {scope}: only {read} parts are there")
    return model


async def write_snapshot(collection: Any, scope: str, snapshot: ModelSnapshot) -> bool:
    """Write a snapshot; False when another replica wrote, or began to write, the one of this revision."""
    rows, parts = snapshot.rows(), max(-(-len(snapshot) // _PART), 1)
    for number in range(parts):
        compressed = await asyncio.to_thread(_compressed, list(islice(rows, _PART)))
        key = {"scope": scope, "revision": snapshot.revision, "part": number}
        part = {"_id": key, "rows": compressed, "parts": parts, "spam": snapshot.spam, "ham": snapshot.ham}
        try:
            await collection.insert_one(part)
        except DuplicateKey:
            return False
    return True


async def delete_snapshots(collection: Any, scope: str, *, before: int) -> None:
    """Delete the snapshots of all revisions before this one."""
    await collection.delete_many(_parts_between(scope, 0, before - 1))


def _compressed(rows: Sequence[Row]) -> bytes:
    return zlib.compress(orjson.dumps(rows), 1)


def _parts_between(scope: str, first: int, last: int) -> dict[str, Any]:
    """Select parts by their whole key, which is what the index holds."""
    lowest, highest = {"revision": first, "part": 0}, {"revision": last, "part": _LAST}
    return {"_id": {"$gte": {"scope": scope, **lowest}, "$lte": {"scope": scope, **highest}}}

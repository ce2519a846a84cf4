"""What the neighbours were told of usage, so that a crash between a delivery and its event is found out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from libs.mongo import UpdateOne, mongo_errors
from services.store.mailboxes.messages import Usage
from services.store.mailboxes.mongo_collections import Collections
from services.store.mailboxes.mongo_documents import usage_of


class MongoTold:
    """A collection of its own, so that writing it conflicts with no delivery."""

    def __init__(self, collections: Collections) -> None:
        self._told = collections.told
        self._mailboxes = collections.mailboxes

    async def told(self, usages: Sequence[Usage]) -> None:
        """`$max`: replicas may come in any order."""
        if not usages:
            return
        writes = [UpdateOne({"_id": u.address}, {"$max": {"version": u.version}}, upsert=True) for u in usages]
        with mongo_errors("note usage"):
            await self._told.bulk_write(writes, ordered=False)

    async def untold(self) -> AsyncIterator[Usage]:
        known = {"from": self._told.name, "localField": "_id", "foreignField": "_id", "as": "told"}
        newest_told = {"$ifNull": [{"$first": "$told.version"}, 0]}
        pipeline = [
            {"$match": {"leaving": None}},
            {"$project": {"used_bytes": 1, "messages": 1, "version": 1, "account_made_at": 1}},
            {"$lookup": known},
            {"$match": {"$expr": {"$gt": ["$version", newest_told]}}},
        ]
        with mongo_errors("look for untold usage"):
            async for document in await self._mailboxes.aggregate(pipeline):
                yield usage_of(document)

"""Mailboxes and their folders: one small document each, which every change of the mailbox writes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

from libs.envelope import new_id
from libs.mongo import Mongo, UpdateOne, mongo_errors
from services.store.mailboxes.folders import Folder, check_deletable, names_to_create, renamed
from services.store.mailboxes.messages import MailboxUsage
from services.store.mailboxes.refusals import Conflict, NotFound, PreconditionFailed
from services.store.mailboxes.schema import Collections, folders_of, new_folder, new_mailbox, usage_of

Match = Callable[[Folder], bool]


class MongoMailboxes:
    """All methods raise `Temporary` when MongoDB does not answer, `NotFound` when the mailbox or folder is missing."""

    def __init__(self, mongo: Mongo, collections: Collections, *, clock: Callable[[], datetime]) -> None:
        self._mongo = mongo
        self._mailboxes = collections.mailboxes
        self._messages = collections.messages
        self._clock = clock

    async def ensure(self, addresses: Iterable[str]) -> None:
        """Create missing mailboxes with their special folders. Idempotent."""
        empty = new_mailbox(self._clock())
        with mongo_errors("create mailbox"):
            for address in addresses:
                made = {"$setOnInsert": {**empty, "domain": address.rpartition("@")[2]}}
                await self._mailboxes.update_one({"_id": address}, made, upsert=True)

    async def folders(self, address: str) -> dict[str, Folder]:
        """Return the folders by id."""
        return folders_of(await self._get(address))

    async def usage(self, address: str) -> MailboxUsage:
        return usage_of(await self._get(address))

    async def create_folder(self, address: str, name: str) -> Folder:
        """Create a folder and its missing parents. Raises `Conflict`, `InvalidRequest`."""
        return await self._mongo.transaction(lambda session: self._create(session, address, name))

    async def _create(self, session: Any, address: str, name: str) -> Folder:
        mailbox = await self._read(session, address)
        # RFC 9051 2.3.1.1: a name that is used again gets a larger UIDVALIDITY than any before.
        uidvalidity = max(mailbox["uidvalidity"] + 1, int(self._clock().timestamp()))
        created = {
            new_id(self._clock())[-16:]: new_folder(path, uidvalidity)
            for path in names_to_create(folders_of(mailbox), name)
        }
        change = {"uidvalidity": uidvalidity, **{f"folders.{id}": folder for id, folder in created.items()}}
        await self._change(session, address, {"$set": change})
        id, folder = list(created.items())[-1]
        return Folder(id=id, **folder)

    async def rename_folder(self, address: str, id: str, name: str, *, match: Match | None = None) -> Folder:
        """Rename a folder and all folders below it.

        Raises `PreconditionFailed` when `match` rejects its present state, `Conflict`, `InvalidRequest`.
        """
        return await self._mongo.transaction(lambda session: self._rename(session, address, id, name, match))

    async def _rename(self, session: Any, address: str, id: str, name: str, match: Match | None) -> Folder:
        folders = folders_of(await self._read(session, address))
        if id not in folders:
            raise NotFound("there is no such folder")
        _check_unchanged(folders[id], match)
        names = renamed(folders, id, name)
        change = {
            "$set": {f"folders.{child}.name": new_name for child, new_name in names.items()},
            "$inc": {f"folders.{child}.revision": 1 for child in names},
        }
        await self._change(session, address, change)
        return folders_of(await self._read(session, address))[id]

    async def delete_empty_folder(self, address: str, id: str, *, match: Match | None = None) -> None:
        """Raises `Conflict` for a special folder and one that is not empty, `PreconditionFailed` as `rename_folder`."""
        await self._mongo.transaction(lambda session: self._delete_folder(session, address, id, match))

    async def _delete_folder(self, session: Any, address: str, id: str, match: Match | None) -> None:
        folders = folders_of(await self._read(session, address))
        if id not in folders:
            raise NotFound("there is no such folder")
        _check_unchanged(folders[id], match)
        check_deletable(folders, id)
        if folders[id].messages:
            raise Conflict("the folder holds messages")
        await self._change(session, address, {"$unset": {f"folders.{id}": ""}})

    async def check_deletable(self, address: str, id: str) -> None:
        """Raises as `delete_empty_folder` does, except for messages in the folder."""
        folders = await self.folders(address)
        if id not in folders:
            raise NotFound("there is no such folder")
        check_deletable(folders, id)

    async def recount(self, address: str) -> MailboxUsage:
        """Recount the messages and repair the counters in one transaction."""
        return await self._mongo.transaction(lambda session: self._recount(session, address))

    async def _recount(self, session: Any, address: str) -> MailboxUsage:
        folders = folders_of(await self._read(session, address))
        totals = {
            "messages": {"$sum": 1},
            "bytes": {"$sum": "$size"},
            "unseen": {"$sum": {"$cond": [{"$in": ["\\Seen", "$flags"]}, 0, 1]}},
        }
        rows = await self._messages.aggregate(
            [{"$match": {"mailbox": address}}, {"$group": {"_id": "$folder", **totals}}], session=session
        )
        counted = await rows.to_list(None)
        found = {row["_id"]: row for row in counted}
        change: dict[str, int] = {
            f"folders.{id}.{name}": found.get(id, {}).get(name, 0) for id in folders for name in totals
        }
        change["used_bytes"] = sum(row["bytes"] for row in counted)
        change["messages"] = sum(row["messages"] for row in counted)
        await self._change(session, address, {"$set": change})
        return usage_of(await self._read(session, address))

    async def _get(self, address: str) -> dict[str, Any]:
        with mongo_errors("read mailbox"):
            return await self._read(None, address)

    async def _read(self, session: Any, address: str) -> dict[str, Any]:
        """Inside a transaction the driver's errors propagate unchanged, since it is retried for some of them."""
        found: dict[str, Any] | None = await self._mailboxes.find_one(
            {"_id": address, "leaving": None}, session=session
        )
        if found is None:
            raise NotFound("there is no such mailbox")
        return found

    async def _change(self, session: Any, address: str, change: dict[str, Any]) -> None:
        increments = {"version": 1, **change.get("$inc", {})}
        now = {"changed_at": self._clock(), **change.get("$set", {})}
        await self._mailboxes.update_one({"_id": address}, {**change, "$inc": increments, "$set": now}, session=session)


def _check_unchanged(folder: Folder, match: Match | None) -> None:
    if match is not None and not match(folder):
        raise PreconditionFailed("the folder was renamed in the meantime")


class MongoPublishedUsage:
    """The usage that was published, in a collection of its own, so that writing it conflicts with no delivery.

    It reveals events lost in a crash between a delivery and its event.
    """

    def __init__(self, collections: Collections) -> None:
        self._published = collections.told
        self._mailboxes = collections.mailboxes

    async def mark_published(self, usages: Sequence[MailboxUsage]) -> None:
        """`$max`: replicas may write in any order."""
        if not usages:
            return
        writes = [UpdateOne({"_id": u.address}, {"$max": {"version": u.version}}, upsert=True) for u in usages]
        with mongo_errors("note usage"):
            await self._published.bulk_write(writes, ordered=False)

    async def unpublished(self) -> AsyncIterator[MailboxUsage]:
        known = {"from": self._published.name, "localField": "_id", "foreignField": "_id", "as": "told"}
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

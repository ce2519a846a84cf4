"""Empties mailboxes of deleted accounts, and assigns mailboxes to the next account of an address.

An account is identified by its creation time. Deleting an account leaves a tombstone with the time. The mailbox is
marked first, so that nothing is delivered to it, and then emptied. Each step checks the mark: a slow replica never
touches messages of the next account.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import structlog

from libs.mongo import Mongo, mongo_errors
from libs.runtime.periodic import each
from services.store.mailboxes.flags import SEEN
from services.store.mailboxes.mongo_expunge import MongoExpunge
from services.store.mailboxes.ports import AccountDirectory
from services.store.mailboxes.schema import Collections, new_mailbox, to_milliseconds

log = structlog.get_logger(__name__)

# Longer than any mail waits, is quarantined or can be replayed.
TOMBSTONE_KEEP = timedelta(days=400)


class MongoAccountDeletion:
    """All methods raise `Temporary` when MongoDB, or the router where it is asked, does not answer."""

    def __init__(
        self,
        mongo: Mongo,
        collections: Collections,
        expunge: MongoExpunge,
        directory: AccountDirectory,
        *,
        clock: Callable[[], datetime],
    ) -> None:
        self._mongo = mongo
        self._deletions = collections.departed
        self._mailboxes = collections.mailboxes
        self._messages = collections.messages
        self._tombstones = collections.tombstones
        self._published_usage = collections.told
        self._expunge = expunge
        self._directory = directory
        self._clock = clock

    async def deletion_times(self, addresses: Collection[str]) -> Mapping[str, datetime]:
        """Return when the last account of each address was deleted, for addresses with a former account."""
        with mongo_errors("read tombstones of accounts"):
            found = self._deletions.find({"_id": {"$in": list(addresses)}}, {"deleted_at": 1})
            return {document["_id"]: document["deleted_at"] async for document in found}

    async def delete_account(self, address: str, deleted_at: datetime) -> None:
        """Delete all data of the account that had `address` until `deleted_at`. Idempotent."""
        deleted_at = to_milliseconds(deleted_at)
        await self._write_tombstone(address, deleted_at)
        if not await self._mark(address, deleted_at):
            # A newer account owns the mailbox. A delivery before the mark may have left messages of the former one.
            await self._expunge.stored_before(address, deleted_at)
            return
        await self._expunge.former_account(address, keep_from=deleted_at)
        if await self._is_empty(address):
            await self._mongo.transaction(partial(self._remove, address))
            return
        # Mail came in after the deletion and before its event: it belongs to the next account, if there is one.
        made_at = await self._directory.made_at(address)
        if made_at is not None and made_at > deleted_at:
            await self.assign(address, made_at=made_at)
        else:
            await self._expunge.former_account(address)
            await self._mongo.transaction(partial(self._remove, address))

    async def assign(self, address: str, *, made_at: datetime) -> None:
        """Assign the mailbox to the account created at `made_at`; create it unless it exists. Idempotent.

        A late event of a deleted account creates nothing.
        """
        made_at, former = to_milliseconds(made_at), (await self.deletion_times([address])).get(address)
        if former is not None and made_at <= former:
            return
        with mongo_errors("read mailbox"):
            found = await self._mailboxes.find_one({"_id": address}, {"account_made_at": 1, "leaving": 1})
        owner = found and found.get("account_made_at")
        if found is None:
            await self._create(address, made_at, is_second=former is not None)
        elif "leaving" in found or (owner is not None and owner < made_at):
            await self._mark(address, made_at - timedelta(milliseconds=1))
            await self._expunge.former_account(address, keep_from=made_at)
            await self._mongo.transaction(partial(self._replace, address, made_at))
        elif owner is None:
            change = {"account_made_at": made_at, **({"not_before": made_at} if former is not None else {})}
            with mongo_errors("date mailbox"):
                await self._mailboxes.update_one({"_id": address, "account_made_at": None}, {"$set": change})

    async def resume(self) -> int:
        """Empty the mailboxes that a crash left half empty; return how many there were."""
        with mongo_errors("read mailboxes that leave"):
            found = await self._mailboxes.find({"leaving": {"$exists": True}}, {"leaving": 1}).to_list(None)

        async def end(document: Mapping[str, Any]) -> None:
            await self.delete_account(document["_id"], document["leaving"])

        await each(found, end, park=_put_off)
        return len(found)

    async def _write_tombstone(self, address: str, deleted_at: datetime) -> None:
        change = {"$max": {"deleted_at": deleted_at, "expires_at": self._clock() + TOMBSTONE_KEEP}}
        with mongo_errors("write tombstone of account"):
            await self._deletions.update_one({"_id": address}, change, upsert=True)

    async def _mark(self, address: str, moment: datetime) -> bool:
        """Mark the mailbox as leaving unless its account was created after `moment`; return whether it is marked."""
        of_the_former = {"_id": address, "account_made_at": {"$not": {"$gt": moment}}}
        with mongo_errors("mark mailbox"):
            await self._mailboxes.update_one({**of_the_former, "leaving": None}, {"$set": {"leaving": moment}})
            return (
                await self._mailboxes.find_one({**of_the_former, "leaving": {"$exists": True}}, {"_id": 1}) is not None
            )

    async def _is_empty(self, address: str) -> bool:
        with mongo_errors("look into mailbox"):
            return await self._messages.find_one({"mailbox": address}, {"_id": 1}) is None

    async def _create(self, address: str, made_at: datetime, *, is_second: bool) -> None:
        with mongo_errors("create mailbox"):
            tombstone = await self._deletions.find_one({"_id": address}, {"uidvalidity": 1}) or {}
            fresh = _fresh(address, self._clock(), above=tombstone.get("uidvalidity", 0))
            owned = {"account_made_at": made_at, **({"not_before": made_at} if is_second else {})}
            await self._mailboxes.update_one({"_id": address}, {"$setOnInsert": {**fresh, **owned}}, upsert=True)

    async def _remove(self, address: str, session: Any) -> None:
        """Delete the mailbox document first: a concurrent delivery conflicts with it and is restarted."""
        found = await self._mailboxes.find_one_and_delete(
            {"_id": address, "leaving": {"$exists": True}}, session=session
        )  # fmt: skip
        if found is not None:
            await self._forget(address, found, session)

    async def _replace(self, address: str, made_at: datetime, session: Any) -> None:
        """Replace the leaving mailbox by a new one, which keeps the mail received for the new account."""
        leaving = {"_id": address, "leaving": {"$exists": True}}
        found = await self._mailboxes.find_one(leaving, session=session)
        if found is None:
            return
        fresh = _fresh(address, self._clock(), above=found["uidvalidity"])
        messages = await self._messages.find(
            {"mailbox": address}, {"folder": 1, "size": 1, "flags": 1, "uid": 1, "modseq": 1}, session=session
        ).to_list(None)
        for message in messages:
            _count(fresh, message)
        owned = {"account_made_at": made_at, "not_before": made_at}
        await self._mailboxes.replace_one(leaving, {"_id": address, **fresh, **owned}, session=session)
        await self._forget(address, found, session)

    async def _forget(self, address: str, mailbox: Mapping[str, Any], session: Any) -> None:
        """Delete the tombstones of messages and the published usage of the former account."""
        await self._tombstones.delete_many({"mailbox": address}, session=session)
        await self._published_usage.delete_one({"_id": address}, session=session)
        change = {"$max": {"uidvalidity": mailbox["uidvalidity"]}}
        await self._deletions.update_one({"_id": address}, change, session=session)


async def _put_off(document: Mapping[str, Any], reason: str) -> None:
    """Leave the mailbox to the next round."""
    log.error("mailbox_not_emptied", mailbox=document["_id"], reason=reason)


def _fresh(address: str, now: datetime, *, above: int) -> dict[str, Any]:
    """RFC 9051 2.3.1.1: the UIDVALIDITY is greater than that of any earlier mailbox of the name."""
    mailbox = {**new_mailbox(now), "domain": address.rpartition("@")[2]}
    mailbox["uidvalidity"] = max(mailbox["uidvalidity"], above + 1)
    for folder in mailbox["folders"].values():
        folder["uidvalidity"] = mailbox["uidvalidity"]
    return mailbox


def _count(mailbox: dict[str, Any], message: Mapping[str, Any]) -> None:
    folder = mailbox["folders"][message["folder"]]
    folder["messages"] += 1
    folder["bytes"] += message["size"]
    folder["unseen"] += SEEN not in message["flags"]
    folder["last_uid"] = max(folder["last_uid"], message["uid"])
    folder["modseq"] = max(folder["modseq"], message["modseq"])
    mailbox["messages"] += 1
    mailbox["used_bytes"] += message["size"]

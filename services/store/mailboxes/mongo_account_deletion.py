"""Mailboxes whose account is gone, and those of another account that has the address now.

An account is known by the moment at which it was made. The end of one leaves a tombstone with its moment; its mailbox
is marked first, so that nothing is delivered any more, and emptied then. A step of the emptying holds only while the
mark is there: a slow replica never touches what belongs to the next account.
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

# Longer than any mail waits, is held or can be replayed; the tombstone of an address that is used again is needed less.
REMEMBERED = timedelta(days=400)


class MongoAccountDeletion:
    """All methods raise `Temporary` when MongoDB, or where it is asked the router, does not answer."""

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
        self._departed = collections.departed
        self._mailboxes = collections.mailboxes
        self._messages = collections.messages
        self._tombstones = collections.tombstones
        self._told = collections.told
        self._expunge = expunge
        self._directory = directory
        self._clock = clock

    async def deletion_times(self, addresses: Collection[str]) -> Mapping[str, datetime]:
        """When the last account of each of these was deleted; of those without a former account nothing."""
        with mongo_errors("read tombstones of accounts"):
            found = self._departed.find({"_id": {"$in": list(addresses)}}, {"deleted_at": 1})
            return {document["_id"]: document["deleted_at"] async for document in found}

    async def delete_account(self, address: str, deleted_at: datetime) -> None:
        """The account that had `address` until then is gone, with all that was its own. Idempotent."""
        deleted_at = to_milliseconds(deleted_at)
        await self._bury(address, deleted_at)
        if not await self._mark(address, deleted_at):
            # A younger account has the mailbox: what an unmarked delivery may have left of the former one goes.
            await self._expunge.stored_before(address, deleted_at)
            return
        await self._expunge.former_account(address, keep_from=deleted_at)
        if await self._is_empty(address):
            await self._mongo.transaction(partial(self._remove, address))
            return
        # Mail came in after the deletion and before it was heard: it belongs to the next account, if there is one.
        made_at = await self._directory.made_at(address)
        if made_at is not None and made_at > deleted_at:
            await self.assign(address, made_at=made_at)
        else:
            await self._expunge.former_account(address)
            await self._mongo.transaction(partial(self._remove, address))

    async def assign(self, address: str, *, made_at: datetime) -> None:
        """The mailbox is that of the account made at `made_at`; it is made, empty, unless it is there. Idempotent.

        What is told late of an account that is gone makes none.
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
        """Mailboxes that a crash left half empty: each is emptied; how many those were."""
        with mongo_errors("read mailboxes that leave"):
            found = await self._mailboxes.find({"leaving": {"$exists": True}}, {"leaving": 1}).to_list(None)

        async def end(document: Mapping[str, Any]) -> None:
            await self.delete_account(document["_id"], document["leaving"])

        await each(found, end, park=_put_off)
        return len(found)

    async def _bury(self, address: str, deleted_at: datetime) -> None:
        change = {"$max": {"deleted_at": deleted_at, "expires_at": self._clock() + REMEMBERED}}
        with mongo_errors("bury account"):
            await self._departed.update_one({"_id": address}, change, upsert=True)

    async def _mark(self, address: str, moment: datetime) -> bool:
        """Whether the mailbox leaves: it does unless its account was made after `moment`, or there is none."""
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
            grave = await self._departed.find_one({"_id": address}, {"uidvalidity": 1}) or {}
            fresh = _fresh(address, self._clock(), above=grave.get("uidvalidity", 0))
            owned = {"account_made_at": made_at, **({"not_before": made_at} if is_second else {})}
            await self._mailboxes.update_one({"_id": address}, {"$setOnInsert": {**fresh, **owned}}, upsert=True)

    async def _remove(self, address: str, session: Any) -> None:
        """The delete comes first: a delivery that is under way conflicts with it, and one of the two starts anew."""
        found = await self._mailboxes.find_one_and_delete(
            {"_id": address, "leaving": {"$exists": True}}, session=session
        )  # fmt: skip
        if found is not None:
            await self._forget(address, found, session)

    async def _replace(self, address: str, made_at: datetime, session: Any) -> None:
        """Another mailbox takes the place of the one that leaves, with the mail that came for its account already."""
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
        """What remembers the messages of the former account, and what the neighbours were told of them."""
        await self._tombstones.delete_many({"mailbox": address}, session=session)
        await self._told.delete_one({"_id": address}, session=session)
        change = {"$max": {"uidvalidity": mailbox["uidvalidity"]}}
        await self._departed.update_one({"_id": address}, change, session=session)


async def _put_off(document: Mapping[str, Any], reason: str) -> None:
    """Until the next round."""
    log.error("mailbox_not_emptied", mailbox=document["_id"], reason=reason)


def _fresh(address: str, now: datetime, *, above: int) -> dict[str, Any]:
    """RFC 9051 2.3.1.1: a UIDVALIDITY above that of any mailbox that had the name before."""
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

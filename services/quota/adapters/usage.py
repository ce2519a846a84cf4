"""Usage and limits in MongoDB: `usage` one document an account, `domains` one a domain that has a limit of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from libs.envelope import Temporary
from libs.mail.address import domain_of
from libs.mongo import Batcher, DuplicateKey, UpdateOne, mongo_errors
from services.quota.domain.storage import Usage, limit_of
from services.quota.ports import MailboxTotals

THERE = {"deleted_at": {"$exists": False}}
# Longer than any event waits.
REMEMBERED = timedelta(days=400)

_LIMIT_FIELDS = {"limit_bytes": 1, "account_limit_bytes": 1, "profile": 1}


@dataclass(frozen=True, slots=True)
class UsageChange:
    """What a newer count did to an account."""

    before: Usage | None
    after: Usage
    warned_at: datetime | None

    @property
    def over_before(self) -> bool:
        return self.before is not None and self.before.over


class MongoUsage:
    """`usage`: {_id: address, used_bytes, messages, version, limit_bytes?, limited_at?, profile?, made_at?,
    warned_at?, recounted_at?}, or of an account that is gone {_id: address, deleted_at, forget_at}.
    `domains`: {_id: domain, limit_bytes, limited_at}.

    A limit is set here or wished by router. The younger of both counts: a late wish changes nothing.
    `account_limit_bytes` is the wish in the form of former versions, until the next one arrives.

    A late event of a deleted account creates no usage, neither for the address nor for its next account.
    """

    def __init__(self, database: Any, *, profiles: Mapping[str, int], default_profile: str) -> None:
        self._usage = database["usage"]
        self._domains = database["domains"]
        self._profiles = profiles
        self._default_profile = default_profile
        self._counts: Batcher[MailboxTotals, UsageChange | None] = Batcher(self._write)

    async def prepare(self) -> None:
        """Create the indexes. A limit that a former version set without a moment is one of now."""
        with mongo_errors("usage indexes"):
            await self._usage.create_index("recounted_at")
            await self._usage.create_index("forget_at", expireAfterSeconds=0)
            for collection in (self._usage, self._domains):
                unsaid = {"limit_bytes": {"$ne": None}, "limited_at": None}
                await collection.update_many(unsaid, {"$set": {"limited_at": datetime.now(UTC)}})

    async def get(self, address: str) -> Usage | None:
        """None for an account that was never heard of."""
        with mongo_errors("usage"):
            document = await self._usage.find_one({"_id": address, **THERE})
        return self._usage_of(document, await self._limits_by_domain([address])) if document else None

    async def limits_of(self, addresses: Collection[str]) -> dict[str, int]:
        """Of each, bytes, in two reads; for one that was never heard of, what a new account there would have."""
        with mongo_errors("limits"):
            query = self._usage.find({"_id": {"$in": list(addresses)}, **THERE}, _LIMIT_FIELDS)
            known = {document["_id"]: document async for document in query}
        domains = await self._limits_by_domain(addresses)
        return {
            address: self._usage_of(known.get(address, {"_id": address}), domains).limit_bytes for address in addresses
        }

    async def apply(self, counted: MailboxTotals) -> UsageChange | None:
        """Take over newer totals; None when they were not newer.

        Raises `Temporary` when they are of an account that was not heard of yet.
        """
        return await self._counts.add(counted)

    async def _write(self, batch: Sequence[MailboxTotals]) -> Sequence[UsageChange | BaseException | None]:
        """One read and one write for the whole batch; of several counts of a mailbox only the newest is written."""
        newest: dict[str, MailboxTotals] = {}
        for counted in batch:
            if counted.address not in newest or counted.version > newest[counted.address].version:
                newest[counted.address] = counted
        with mongo_errors("usage"):
            query = self._usage.find({"_id": {"$in": list(newest)}})
            before = {document["_id"]: document async for document in query}
            limits = await self._limits_by_domain(list(newest))
            await self._usage.bulk_write([_set_if_newer(counted) for counted in newest.values()], ordered=False)
        return [
            self._change(counted, before.get(counted.address), limits) if newest[counted.address] is counted else None
            for counted in batch
        ]

    def _change(
        self, counted: MailboxTotals, before: dict[str, Any] | None, limits: Mapping[str, int]
    ) -> UsageChange | BaseException | None:
        old = before or {"_id": counted.address}
        if _is_early(counted, old):
            return Temporary(f"{counted.address}: usage of an account that was not heard of yet")
        if _is_late(counted, old):
            return None
        if old.get("version", -1) >= counted.version:
            return None
        after = {**old, "used_bytes": counted.used_bytes, "messages": counted.messages}
        was = self._usage_of(before, limits) if before else None
        return UsageChange(was, self._usage_of(after, limits), old.get("warned_at"))

    async def set_profile(
        self,
        address: str,
        *,
        limit_bytes: int | None,
        profile: str,
        made_at: datetime | None = None,
        limited_at: datetime | None = None,
    ) -> None:
        """As the router says it of the account that was made at `made_at`. Another account there begins anew.

        A limit that was set after `limited_at` stays; None: a router that says no moment.
        """
        limit = _limit_unless_younger(limit_bytes, limited_at)
        with mongo_errors("usage"):
            if made_at is None:
                await self._upsert({"_id": address, **THERE}, [{"$set": {"profile": {"$literal": profile}}}, *limit])
                return
            # An update for each case, none of which a late event passes.
            new = {"_id": address, "profile": profile, "made_at": made_at}
            new |= {"limit_bytes": limit_bytes, "limited_at": limited_at or made_at}
            former = {"_id": address, "$or": [{"made_at": {"$lt": made_at}}, {"deleted_at": {"$lt": made_at}}]}
            done = await self._usage.replace_one(former, new)
            if not done.matched_count:
                same = {"_id": address, **THERE, "made_at": {"$in": [None, made_at]}}
                fields = {"profile": {"$literal": profile}, "made_at": made_at}
                await self._upsert(same, [{"$set": fields}, *limit])

    async def _upsert(self, wanted: dict[str, Any], change: list[dict[str, Any]]) -> None:
        """Leave a document that does not match `wanted` unchanged."""
        with suppress(DuplicateKey):
            await self._usage.update_one(wanted, change, upsert=True)

    async def own_limit(self, address: str) -> tuple[bool, int | None]:
        """Whether there is such an account, and its own limit in bytes."""
        with mongo_errors("usage"):
            found = await self._usage.find_one({"_id": address, **THERE}, _LIMIT_FIELDS)
        return found is not None, _own(found or {})

    async def set_limit(self, address: str, limit_bytes: int | None, *, now: datetime) -> bool:
        """Set the limit of the account itself; None removes it. False when there is no such account."""
        change = {"$set": {"limit_bytes": limit_bytes, "limited_at": now}, "$unset": {"account_limit_bytes": ""}}
        with mongo_errors("usage"):
            result = await self._usage.update_one({"_id": address, **THERE}, change)
        return bool(result.matched_count)

    async def domain_limit(self, domain: str) -> int | None:
        """Bytes; None when the domain has no limit of its own."""
        return (await self._domain_limits([domain])).get(domain)

    async def set_domain_limit(self, domain: str, limit_bytes: int | None, *, now: datetime) -> None:
        """For every account of `domain` without a limit of its own; None takes it back."""
        change = {"$set": {"limit_bytes": limit_bytes, "limited_at": now}}
        with mongo_errors("usage"):
            await self._domains.update_one({"_id": domain}, change, upsert=True)

    async def wish_domain_limit(self, domain: str, limit_bytes: int | None, *, limited_at: datetime) -> bool:
        """As the router says it. False: it was heard before, or a younger limit stays."""
        older = {"_id": domain, "limited_at": {"$not": {"$gte": limited_at}}}
        change = {"$set": {"limit_bytes": limit_bytes, "limited_at": limited_at}}
        with mongo_errors("usage"), suppress(DuplicateKey):
            await self._domains.update_one(older, change, upsert=True)
            return True
        return False

    async def forget(self, address: str, *, deleted_at: datetime) -> None:
        """The account is gone, and is remembered as that; one that was made after `deleted_at` stays."""
        not_younger = {
            "_id": address,
            "made_at": {"$not": {"$gt": deleted_at}},
            "deleted_at": {"$not": {"$gt": deleted_at}},
        }
        gone = {"_id": address, "deleted_at": deleted_at, "forget_at": deleted_at + REMEMBERED}
        with mongo_errors("usage"), suppress(DuplicateKey):
            await self._usage.replace_one(not_younger, gone, upsert=True)

    async def mark_warned(self, address: str, *, now: datetime, again: timedelta) -> bool:
        """True for the one caller that may warn now, of all replicas."""
        due = {"_id": address, **THERE, "warned_at": {"$not": {"$gt": now - again}}}
        with mongo_errors("usage"):
            result = await self._usage.update_one(due, {"$set": {"warned_at": now}})
        return bool(result.modified_count)

    async def unmark_warned(self, address: str, *, now: datetime) -> None:
        """The warning of `now` could not be sent."""
        with mongo_errors("usage"):
            await self._usage.update_one({"_id": address, "warned_at": now}, {"$unset": {"warned_at": ""}})

    async def due_for_recount(self, before: datetime) -> AsyncIterator[str]:
        """Addresses whose last recount is older; each is marked as it is handed out."""
        while True:
            with mongo_errors("usage"):
                document = await self._usage.find_one_and_update(
                    {"recounted_at": {"$not": {"$gt": before}}, **THERE}, {"$currentDate": {"recounted_at": True}}
                )
            if document is None:
                return
            yield document["_id"]

    async def recounted_at(self, address: str, moment: datetime) -> None:
        """The recount that was due did not succeed: it counts as one of `moment`."""
        with mongo_errors("usage"):
            await self._usage.update_one({"_id": address}, {"$set": {"recounted_at": moment}})

    async def _limits_by_domain(self, addresses: Collection[str]) -> dict[str, int]:
        return await self._domain_limits(list({domain_of(address) for address in addresses}))

    async def _domain_limits(self, domains: list[str]) -> dict[str, int]:
        with mongo_errors("usage"):
            query = self._domains.find({"_id": {"$in": domains}, "limit_bytes": {"$ne": None}})
            return {document["_id"]: document["limit_bytes"] async for document in query}

    def _usage_of(self, document: Mapping[str, Any], domain_limits: Mapping[str, int]) -> Usage:
        address = document["_id"]
        limit = limit_of(
            own=_own(document),
            domain=domain_limits.get(domain_of(address)),
            profile=document.get("profile"),
            profiles=self._profiles,
            default_profile=self._default_profile,
        )
        return Usage(address, document.get("used_bytes", 0), document.get("messages", 0), limit)


def _own(document: Mapping[str, Any]) -> int | None:
    own: int | None = document.get("limit_bytes")
    return own if own is not None else document.get("account_limit_bytes")


def _limit_unless_younger(limit_bytes: int | None, moment: datetime | None) -> list[dict[str, Any]]:
    """The stages of an update that set the limit as it was asked for at `moment` (None: at any)."""
    kept = {"$literal": False} if moment is None else {"$gte": [{"$ifNull": ["$limited_at", None]}, moment]}
    fields = {
        "limit_bytes": {"$cond": [kept, "$limit_bytes", limit_bytes]},
        "limited_at": {"$cond": [kept, "$limited_at", moment or "$limited_at"]},
        "account_limit_bytes": {"$cond": [kept, "$account_limit_bytes", "$$REMOVE"]},
    }
    return [{"$set": fields}]


def _is_early(counted: MailboxTotals, known: Mapping[str, Any]) -> bool:
    """Whether the totals belong to a younger account than the known one."""
    before: datetime | None = known.get("deleted_at") or known.get("made_at")
    return before is not None and counted.made_at is not None and counted.made_at > before


def _is_late(counted: MailboxTotals, known: Mapping[str, Any]) -> bool:
    """Whether the totals belong to a former or deleted account."""
    made_at: datetime | None = known.get("made_at")
    of_another = made_at is not None and counted.made_at is not None and counted.made_at < made_at
    return of_another or "deleted_at" in known


def _set_if_newer(counted: MailboxTotals) -> UpdateOne:
    """Compares on the server, so that a replica with older news never wins, nor totals of another account."""
    conditions: list[Any] = [
        {"$gt": [counted.version, {"$ifNull": ["$version", -1]}]},
        {"$eq": [{"$type": "$deleted_at"}, "missing"]},
    ]
    if counted.made_at is not None:
        conditions.append({"$eq": [{"$ifNull": ["$made_at", counted.made_at]}, counted.made_at]})
    newer = {"$and": conditions}
    fields = {"used_bytes": counted.used_bytes, "messages": counted.messages, "version": counted.version}
    update = {name: {"$cond": [newer, value, f"${name}"]} for name, value in fields.items()}
    return UpdateOne({"_id": counted.address}, [{"$set": update}], upsert=True)

"""Domains in MongoDB."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from libs.events import DomainChanged
from libs.http import Once
from libs.mongo import DuplicateKey, ReturnDocument, mongo_errors
from services.router.adapters.changes import DirectoryChange, DirectoryChanges
from services.router.adapters.search import matching
from services.router.domain.records import Domain
from services.router.ports import Match
from services.router.refusals import AlreadyExists, NotFound, PreconditionFailed, Unprocessable


class MongoDomains:
    """Domains and alias domains. Every change raises `Temporary` and the refusals in its docstring.

    A creation that is repeated with its key (`once`) returns the first result, and raises `MadeAndGone` when the
    record was deleted since.
    """

    def __init__(self, database: Any, changes: DirectoryChanges) -> None:
        self._domains = database["domains"]
        self._addresses = database["addresses"]
        self._counters = database["counters"]
        self._changes = changes

    async def create(self, domain: Domain, *, once: Once | None = None) -> Domain:
        """Raises `AlreadyExists` when the name is in use; `Unprocessable` when `alias_of` is no main domain."""

        async def work(change: DirectoryChange) -> Domain:
            if domain.alias_of is not None:
                await self._lock_main_domain(domain.alias_of, change)
            await self._domains.insert_one(_document(domain), session=change.session)
            if domain.alias_of is None:
                change.tell(_changed(domain))
            else:
                change.tell(DomainChanged(domain=domain.alias_of, alias=domain.name))
            return domain

        try:
            return await self._changes.run(Domain, work, once=once, remains=self._remains)
        except DuplicateKey:
            raise AlreadyExists(f"{domain.name} is already a domain or an alias domain") from None

    async def _remains(self, domain: Domain) -> bool:
        now = await self.find(domain.name)
        return now is not None and now.birth == domain.birth

    async def _lock_main_domain(self, name: str, change: DirectoryChange) -> None:
        """The main domain cannot be deleted while it gets another name."""
        held = await self._domains.update_one(
            {"_id": name, "alias_of": None}, {"$inc": {"version": 1}}, session=change.session
        )
        if held.matched_count == 0:
            raise Unprocessable(f"{name} is no main domain of ours")

    async def find(self, name: str) -> Domain | None:
        """Find a main or alias domain."""
        with mongo_errors("find domain"):
            found = await self._domains.find_one({"_id": name})
        return _domain(found) if found else None

    async def page(
        self, *, aliases: bool, of: str | None = None, text: str | None = None, after: str, limit: int
    ) -> Sequence[Domain]:
        """Return domains by name, behind `after`; with `text`, those whose names have each of its words."""
        of_kind = {"$ne": None} if aliases else None
        wanted: dict[str, Any] = {"_id": {"$gt": after}, "alias_of": of_kind, **matching(text, "_id")}
        if of is not None:
            wanted["alias_of"] = of
        return await self._many(wanted, limit)

    async def emptying_junk(self, *, after: str, limit: int) -> Sequence[Domain]:
        """Return domains with `junk_keep_days`, as `page` does."""
        return await self._many({"_id": {"$gt": after}, "junk_keep_days": {"$gt": 0}}, limit)

    async def _many(self, wanted: dict[str, Any], limit: int) -> Sequence[Domain]:
        with mongo_errors("list domains"):
            return [_domain(found) for found in await self._domains.find(wanted).sort("_id", 1).to_list(limit)]

    async def edit(self, name: str, change: Callable[[Domain], Domain], *, match: Match = None) -> Domain:
        """Raises `NotFound`, `PreconditionFailed`. `change` may run more than once."""

        async def work(transaction: DirectoryChange) -> Domain:
            before = await self._current(name, transaction, alias=False, match=match)
            after = change(before).model_copy(update={"version": before.version + 1})
            await self._domains.replace_one({"_id": name}, _document(after), session=transaction.session)
            transaction.tell(_changed(after))
            return after

        return await self._changes.run(Domain, work)

    async def emit_quota_wishes(self) -> None:
        """The wish that a former version kept without a moment gets one, and quota hears of it."""
        unsaid = {"default_quota_bytes": {"$ne": None}, "quota_at": None}
        with mongo_errors("domains"):
            names = [found["_id"] async for found in self._domains.find(unsaid, {"_id": 1})]
        for name in names:
            await self.edit(name, lambda domain: domain.model_copy(update={"quota_at": domain.created_at}))

    async def delete(self, name: str, *, alias: bool, match: Match = None) -> None:
        """Raises `NotFound`, `PreconditionFailed`; `AlreadyExists` while it has addresses or alias domains."""

        async def work(change: DirectoryChange) -> Domain:
            domain = await self._current(name, change, alias=alias, match=match)
            if domain.addresses:
                raise AlreadyExists(f"{name} still has {domain.addresses} addresses", "not-empty")
            if await self._domains.find_one({"alias_of": name}, session=change.session):
                raise AlreadyExists(f"{name} still has alias domains", "not-empty")
            await self._domains.delete_one({"_id": name}, session=change.session)
            change.tell(DomainChanged(domain=name))
            return domain

        await self._changes.run(Domain, work)

    async def _current(self, name: str, change: DirectoryChange, *, alias: bool, match: Match) -> Domain:
        wanted = {"_id": name, "alias_of": {"$ne": None} if alias else None}
        found = await self._domains.find_one(wanted, session=change.session)
        if found is None:
            raise NotFound(f"there is no {'alias ' if alias else ''}domain {name}")
        domain = _domain(found)
        if match is not None and not match(domain):
            raise PreconditionFailed
        return domain

    async def next_number(self, prefix: str) -> int:
        # Outside every transaction: a creation that fails leaves a gap, never the same number twice.
        """Return 1, 2, 3 ...: a number of a prefix is given once, even after the end of its account."""
        with mongo_errors("count accounts of a prefix"):
            counter = await self._counters.find_one_and_update(
                {"_id": prefix}, {"$inc": {"value": 1}}, upsert=True, return_document=ReturnDocument.AFTER
            )
        return int(counter["value"])


def _changed(domain: Domain) -> DomainChanged:
    moment = domain.quota_at or domain.created_at
    return DomainChanged(domain=domain.name, quota_bytes=domain.default_quota_bytes, quota_at=moment)


def _document(domain: Domain) -> dict[str, Any]:
    fields = domain.model_dump()
    return {"_id": fields.pop("name"), **fields}


def _domain(found: dict[str, Any]) -> Domain:
    return Domain(name=found.pop("_id"), **found)

"""Accounts, aliases and forwards in MongoDB: one document an address."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

from libs.events import AccountChanged, AccountDeleted, Fact, RoutesChanged
from libs.http import Once
from libs.mongo import DuplicateKey, ReturnDocument, mongo_errors
from services.router.adapters.changes import DirectoryChange, DirectoryChanges
from services.router.adapters.search import FIELDS, matching
from services.router.domain.records import AddressRecord, Domain, Kind
from services.router.ports import Match
from services.router.refusals import AlreadyExists, LoginExists, NotFound, PreconditionFailed, Unprocessable

# Longer than the clocks of two replicas ever differ, or a rolling update takes.
_REMEMBERED = timedelta(days=30)

_ROUTE_FIELDS = {"targets", "keep_copy", "replications"}


class MongoAddresses:
    """Accounts, aliases and forwards by canonical address. Errors as for `MongoDomains`."""

    def __init__(self, database: Any, changes: DirectoryChanges) -> None:
        self._addresses = database["addresses"]
        self._domains = database["domains"]
        self._credentials = database["credentials"]
        self._events = database["events"]
        self._departed = database["departed"]
        self._changes = changes

    async def create(
        self, entry: AddressRecord, *, once: Once | None = None, password_hash: str | None = None
    ) -> AddressRecord:
        """Raises `Unprocessable` for a foreign domain, `AlreadyExists` for a used address or a full domain."""

        async def work(change: DirectoryChange) -> AddressRecord:
            domain = await self._count_in_domain(entry, +1, change)
            if entry.kind == "account" and domain.max_accounts is not None and domain.accounts > domain.max_accounts:
                raise AlreadyExists(f"{entry.domain} has its {domain.max_accounts} accounts", "limit-reached")
            await self._refuse_while_deleting(entry, change)
            made = await self._after_the_former(entry, change)
            await self._addresses.insert_one(_document(made), session=change.session)
            await self._set_password(made.address, password_hash, change)
            await self._renew_owner_version(made, change)
            change.tell(*_facts(None, made))
            return made

        try:
            return await self._changes.run(AddressRecord, work, once=once, remains=self._remains)
        except DuplicateKey as error:
            if "account.login" in str((error.details or {}).get("keyPattern", error)):
                raise LoginExists(f"the login name {entry.details.login} is in use") from None
            raise AlreadyExists(f"{entry.address} exists already") from None

    async def _remains(self, entry: AddressRecord, still: Callable[[AddressRecord], bool] | None = None) -> bool:
        now = await self.find(entry.address)
        return now is not None and now.birth == entry.birth and (still is None or still(now))

    async def _renew_owner_version(self, entry: AddressRecord, change: DirectoryChange) -> None:
        """An account is shown with its other addresses: one more or less is another version of it."""
        if entry.owner is not None:
            await self._addresses.update_one({"_id": entry.owner}, {"$inc": {"version": 1}}, session=change.session)

    async def _refuse_while_deleting(self, entry: AddressRecord, change: DirectoryChange) -> None:
        """Until its deletion is told, the mail of a former account of that name is still in the mailbox."""
        waiting = {"name": AccountDeleted.__name__, "about": entry.address, "set_aside": None}
        if entry.kind == "account" and await self._events.find_one(waiting, session=change.session):
            raise AlreadyExists(f"{entry.address} is still being deleted: try again in a moment", "conflict")

    async def _after_the_former(self, entry: AddressRecord, change: DirectoryChange) -> AddressRecord:
        """The creation time identifies an account: it lies after the end of its predecessor, even if clocks differ.

        The database keeps milliseconds, so the time has no finer unit.
        """
        if entry.kind != "account":
            return entry
        made_at = entry.created_at.replace(microsecond=entry.created_at.microsecond // 1000 * 1000)
        former = await self._departed.find_one({"_id": entry.address}, session=change.session)
        if former is not None:
            made_at = max(made_at, former["deleted_at"] + timedelta(milliseconds=1))
        return entry.model_copy(update={"created_at": made_at})

    async def _depart(self, entry: AddressRecord, change: DirectoryChange) -> datetime:
        """When the account ended: not before it was made."""
        now = change.now.replace(microsecond=change.now.microsecond // 1000 * 1000)
        deleted_at = max(now, entry.created_at)
        await self._departed.replace_one(
            {"_id": entry.address},
            {"deleted_at": deleted_at, "expires_at": deleted_at + _REMEMBERED},
            upsert=True,
            session=change.session,
        )
        return deleted_at

    async def _count_in_domain(self, entry: AddressRecord, by: int, change: DirectoryChange) -> Domain:
        """The domain with its new numbers; two changes in one domain meet here."""
        numbers = {"addresses": by, "accounts": by if entry.kind == "account" else 0}
        found = await self._domains.find_one_and_update(
            {"_id": entry.domain, "alias_of": None},
            {"$inc": numbers},
            return_document=ReturnDocument.AFTER,
            session=change.session,
        )
        if found is None:
            raise Unprocessable(f"{entry.domain} is not a domain of ours")
        return Domain(name=found.pop("_id"), **found)

    async def _set_password(self, address: str, password_hash: str | None, change: DirectoryChange) -> None:
        if password_hash is not None:
            document = {"hash": password_hash, "changed_at": change.now}
            await self._credentials.replace_one({"_id": address}, document, upsert=True, session=change.session)

    async def find(self, address: str) -> AddressRecord | None:
        return await self._one({"_id": address})

    async def find_login(self, login: str) -> AddressRecord | None:
        return await self._one({"kind": "account", "account.login": login})

    async def logins_like(self, login: str) -> Collection[str]:
        """Return the login names in use of the form `login` or `login-NUMBER`."""
        wanted = {"kind": "account", "account.login": {"$regex": rf"^{re.escape(login)}(-[0-9]+)?$"}}
        with mongo_errors("find login names"):
            return {found["account"]["login"] async for found in self._addresses.find(wanted, {"account.login": 1})}

    async def page(
        self, kind: Kind, *, domain: str | None, text: str | None, after: str, limit: int
    ) -> Sequence[AddressRecord]:
        """Return records by address, behind `after`; with `text`, those that have each of its words."""
        within = {"domain": domain} if domain else {}
        wanted = {"kind": kind, "_id": {"$gt": after}, **within, **matching(text, *FIELDS[kind])}
        return await self._many(wanted, limit)

    async def redirected(self, *, after: str, limit: int) -> Sequence[AddressRecord]:
        """Return accounts with a redirect, as `page` does."""
        return await self._many({"kind": "account", "targets": {"$ne": []}, "_id": {"$gt": after}}, limit)

    async def replicated(self, *, after: str, limit: int) -> Sequence[AddressRecord]:
        """Return addresses with replications, as `page` does."""
        return await self._many({"replications": {"$ne": []}, "_id": {"$gt": after}}, limit)

    async def owned_by(self, account: str) -> Sequence[AddressRecord]:
        """Return the other addresses of an account."""
        return await self._many({"owner": account}, None)

    async def leading_to(self, account: str) -> Sequence[AddressRecord]:
        """Return aliases with the account among their targets."""
        return await self._many({"kind": "alias", "targets": account}, None)

    async def edit(
        self,
        address: str,
        change: Callable[[AddressRecord], AddressRecord],
        *,
        match: Match = None,
        once: Once | None = None,
        remains: Callable[[AddressRecord], bool] | None = None,
        password_hash: str | None = None,
    ) -> AddressRecord:
        """Raises `NotFound`, `PreconditionFailed` and what `change` raises. `change` may run more than once.

        `remains` tells whether the result of a change with `once` is still there.
        """

        async def work(transaction: DirectoryChange) -> AddressRecord:
            before = await self._current({"_id": address}, transaction, match)
            after = change(before).model_copy(update={"version": before.version + 1})
            await self._addresses.replace_one({"_id": address}, _document(after), session=transaction.session)
            await self._set_password(address, password_hash, transaction)
            transaction.tell(*_facts(before, after))
            return after

        return await self._changes.run(
            AddressRecord, work, once=once, remains=lambda entry: self._remains(entry, remains)
        )

    async def delete(self, address: str, kind: Kind, *, match: Match = None) -> None:
        """Raises `NotFound`, `PreconditionFailed`. With an account go its credentials and its other addresses."""

        async def work(change: DirectoryChange) -> AddressRecord:
            entry = await self._current({"_id": address, "kind": kind}, change, match)
            others = await self._addresses.find({"owner": address}, session=change.session).to_list(None)
            for gone in (entry, *map(_entry, others)):
                await self._addresses.delete_one({"_id": gone.address}, session=change.session)
                await self._count_in_domain(gone, -1, change)
                change.tell(RoutesChanged(address=gone.address))
            await self._renew_owner_version(entry, change)
            if kind == "account":
                await self._credentials.delete_one({"_id": address}, session=change.session)
                change.tell(AccountDeleted(address=address, deleted_at=await self._depart(entry, change)))
            return entry

        await self._changes.run(AddressRecord, work)

    async def _current(self, wanted: dict[str, Any], change: DirectoryChange, match: Match) -> AddressRecord:
        found = await self._addresses.find_one(wanted, session=change.session)
        if found is None:
            raise NotFound(f"there is no {wanted.get('kind', 'address')} {wanted['_id']}")
        entry = _entry(found)
        if match is not None and not match(entry):
            raise PreconditionFailed
        return entry

    async def _one(self, wanted: dict[str, Any]) -> AddressRecord | None:
        with mongo_errors("find address"):
            found = await self._addresses.find_one(wanted)
        return _entry(found) if found else None

    async def _many(self, wanted: dict[str, Any], limit: int | None) -> Sequence[AddressRecord]:
        with mongo_errors("list addresses"):
            return [_entry(found) for found in await self._addresses.find(wanted).sort("_id", 1).to_list(limit)]


def _facts(before: AddressRecord | None, after: AddressRecord) -> list[Fact]:
    """What changed, in the words of the others. A new password of an account changes it, too."""
    facts: list[Fact] = []
    if before is None or before.model_dump(include=_ROUTE_FIELDS) != after.model_dump(include=_ROUTE_FIELDS):
        facts.append(RoutesChanged(address=after.address))
    if after.kind == "account":
        details = after.details
        fact = AccountChanged(
            address=after.address,
            made_at=after.created_at,
            quota_bytes=details.quota_bytes,
            quota_at=details.quota_at or after.created_at,
            profile=details.profile,
        )
        facts.append(fact)
    elif after.owner is not None:
        facts.append(RoutesChanged(address=after.owner))  # it may send under one more address
    return facts


def _document(entry: AddressRecord) -> dict[str, Any]:
    fields = entry.model_dump()
    lists = {"targets": list(entry.targets), "replications": list(entry.replications)}
    return {"_id": fields.pop("address"), **fields, **lists}


def _entry(found: dict[str, Any]) -> AddressRecord:
    return AddressRecord(address=found.pop("_id"), **found)

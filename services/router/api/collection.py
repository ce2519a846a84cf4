"""Shared answers of the collections of the directory: created, shown, changed, deleted and listed records."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from fastapi import Response
from pydantic import BaseModel

from libs.http import Cursor, Page
from services.router.api.exchange import Creation, Exchange, RecordEdit
from services.router.domain.records import AddressRecord, DirectoryRecord, Domain

R = TypeVar("R", bound=DirectoryRecord)
V = TypeVar("V", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Collection(Generic[R, V]):
    """What the answers about the records of one collection share; `noun` names them in the audit trail."""

    path: str
    noun: str
    name: Callable[[R], str]
    view: Callable[[R], V]

    def shown(self, asked: Exchange, record: R) -> V:
        """Return the view of a record, and set its ETag."""
        asked.tag(record)
        return self.view(record)

    def made(self, asked: Creation, record: R, **what: object) -> V:
        """Return the view of a new record, set its Location, and write `what` to the audit trail."""
        asked.did(f"{self.noun}_made", **what)
        asked.locate(self.path, self.name(record))
        return self.shown(asked, record)

    def changed(self, asked: RecordEdit, record: R, **what: object) -> V:
        asked.did(f"{self.noun}_changed", **what)
        return self.shown(asked, record)

    def deleted(self, asked: Exchange, **what: object) -> Response:
        asked.did(f"{self.noun}_deleted", **what)
        return Response(status_code=204)

    def page(self, records: Sequence[R], limit: int) -> Page[V]:
        return Page(items=[self.view(record) for record in records], next=self.cursor.behind(records, limit, self.name))

    @property
    def cursor(self) -> Cursor:
        """Return the cursor of the list, by name."""
        return Cursor(self.path)


def address_of(entry: AddressRecord) -> str:
    """Return the address of an account, an alias or a forward."""
    return entry.address


def name_of(domain: Domain) -> str:
    """Return the name of a domain or an alias domain."""
    return domain.name

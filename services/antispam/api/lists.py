"""`/v1/lists/{list}`: white and black lists of senders and peers, of a domain or of all."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, Field

from libs.envelope import new_id
from libs.http import ADMIN, After, Cursor, Page, Problem, RequestBody, require
from services.antispam.api.scopes import domain_of, scope_of
from services.antispam.policy.lists import EntryKind, InvalidListEntry, entry_of
from services.antispam.policy.mongo_lists import ListEntry, ListName, MongoLists

_PAGES = Cursor("entries")


class NewListEntry(RequestBody):
    """What to list, for whom."""

    value: str = Field(
        max_length=320,
        description="Senders: `a@example.org`, `example.org`, or `.example.org` with all under it. "
        "Peers: an address or a network.",
    )
    domain: str = Field("", description="Domain of ours that it counts for; empty: all.")
    comment: str = Field("", max_length=500)


class ListEntryView(BaseModel):
    """A stored entry, its value in normal form."""

    id: str
    list: ListName
    domain: str
    type: EntryKind
    value: str
    comment: str
    created_at: datetime


def list_routes(
    lists: MongoLists, changed: Callable[[str], Awaitable[None]], clock: Callable[[], datetime]
) -> APIRouter:
    """`changed(scope)` tells all replicas."""
    router = APIRouter(prefix="/v1/lists", tags=["lists"])
    admin, store = Depends(require(ADMIN)), Depends(require(ADMIN, "store"))

    @router.get("/{list}", dependencies=[admin], summary="Entries of one list of a domain (default: of all), by value")
    async def list_list_entries(
        list: ListName, domain: str = "", after: After = None, limit: int = Query(50, ge=1, le=500)
    ) -> Page[ListEntryView]:
        found = await lists.page(list, scope_of(domain), after=_PAGES.text(after), limit=limit)
        return Page(items=[_view(entry) for entry in found], next=_PAGES.behind(found, limit, lambda item: item.value))

    @router.post("/{list}", status_code=201, dependencies=[store], summary="Add an entry; twice is once")
    async def create_list_entry(list: ListName, entry: NewListEntry) -> ListEntryView:
        kind, value = _parsed(list, entry.value)
        scope, now = scope_of(entry.domain), clock()
        stored = await lists.add(ListEntry(new_id(now), list, scope, kind, value, entry.comment, now))
        await changed(scope)
        return _view(stored)

    @router.get("/{list}/{id}", dependencies=[admin], summary="One entry")
    async def get_list_entry(list: ListName, id: str) -> ListEntryView:
        return _view(_there(await lists.get(list, id)))

    @router.delete("/{list}/{id}", status_code=204, dependencies=[admin], summary="Take an entry out")
    async def delete_list_entry(list: ListName, id: str) -> Response:
        entry = _there(await lists.delete(list, id))
        await changed(entry.scope)
        return Response(status_code=204)

    return router


def _parsed(list_name: ListName, text: str) -> tuple[EntryKind, str]:
    try:
        kind, value = entry_of(text)
    except InvalidListEntry as error:
        raise Problem(422, str(error)) from None
    if (kind == "network") != list_name.startswith("peer"):
        wanted = "a network or an IP address" if list_name.startswith("peer") else "an address or a domain"
        raise Problem(422, f"{list_name} takes {wanted}, and this is a {kind}")
    return kind, value


def _there(entry: ListEntry | None) -> ListEntry:
    if entry is None:
        raise Problem(404, "there is no such entry")
    return entry


def _view(entry: ListEntry) -> ListEntryView:
    return ListEntryView(
        id=entry.id,
        list=entry.list,
        domain=domain_of(entry.scope),
        type=entry.type,
        value=entry.value,
        comment=entry.comment,
        created_at=entry.created_at,
    )

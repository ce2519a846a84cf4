"""`/v1/lists/{list}`: white and black lists of senders and peers, of a domain or of all."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import BaseModel, Field

from libs.envelope import new_id
from libs.http import ADMIN, After, Cursor, Page, PageLimit, Problem, RequestBody, require
from libs.http.requests import example
from libs.http.resources import created
from services.antispam.api.scopes import domain_of, scope_of
from services.antispam.policy.lists import EntryKind, InvalidListEntry, entry_of
from services.antispam.policy.mongo_lists import ListEntry, ListName, MongoLists

_PAGES = Cursor("entries")


class NewListEntry(RequestBody):
    """An entry to add to a list."""

    model_config = example({"value": "example.net", "domain": "example.org", "comment": "partner"})

    value: str = Field(
        max_length=320,
        description="Senders: `a@example.org`, `example.org`, or `.example.org` with all under it. "
        "Peers: an address or a network.",
    )
    domain: str = Field("", description="Main domain for which it counts; empty: all domains.")
    comment: str = Field("", max_length=500, description="Note for people.")


class ListEntryView(BaseModel):
    """A stored entry, its value in normal form."""

    id: str = Field(description="Id of the entry.")
    list: ListName = Field(description="Name of the list.")
    domain: str = Field(description="Domain for which it counts; empty: all domains.")
    type: EntryKind = Field(description="What the value is.")
    value: str = Field(description="The address, domain or network, in normal form.")
    comment: str = Field(description="Note for people.")
    created_at: datetime = Field(description="When it was added.")


def list_routes(
    lists: MongoLists, changed: Callable[[str], Awaitable[None]], clock: Callable[[], datetime]
) -> APIRouter:
    """`changed(scope)` tells all replicas."""
    router = APIRouter(prefix="/v1/lists", tags=["lists"])
    admin, store = Depends(require(ADMIN)), Depends(require(ADMIN, "store"))

    @router.get("/{list}", dependencies=[admin], summary="List the entries of a list")
    async def list_list_entries(
        list: Annotated[ListName, Path(description="Name of the list.")],
        domain: Annotated[str, Query(description="Domain for which the entries count; empty: all domains.")] = "",
        after: After = None,
        limit: PageLimit = 50,
    ) -> Page[ListEntryView]:
        """Entries of a white or black list, of one domain or of all domains, in the order of their values."""
        found = await lists.page(list, scope_of(domain), after=_PAGES.text(after), limit=limit)
        return Page(items=[_view(entry) for entry in found], next=_PAGES.behind(found, limit, lambda item: item.value))

    @router.post("/{list}", status_code=201, dependencies=[store], summary="Add an entry to a list")
    async def create_list_entry(
        list: Annotated[ListName, Path(description="Name of the list.")], entry: NewListEntry, response: Response
    ) -> ListEntryView:
        """Adds a sender or a peer. The answer is 200 when the entry is there already."""
        kind, value = _parsed(list, entry.value)
        scope, now = scope_of(entry.domain), clock()
        new = ListEntry(new_id(now), list, scope, kind, value, entry.comment, now)
        stored = await lists.add(new)
        created(response, f"/v1/lists/{list}", stored.id, is_new=stored.id == new.id)
        await changed(scope)
        return _view(stored)

    @router.get("/{list}/{id}", dependencies=[admin], summary="Get an entry of a list")
    async def get_list_entry(
        list: Annotated[ListName, Path(description="Name of the list.")],
        id: Annotated[str, Path(description="Id of the entry.")],
    ) -> ListEntryView:
        """Returns one entry."""
        return _view(_there(await lists.get(list, id)))

    @router.delete("/{list}/{id}", status_code=204, dependencies=[admin], summary="Delete an entry of a list")
    async def delete_list_entry(
        list: Annotated[ListName, Path(description="Name of the list.")],
        id: Annotated[str, Path(description="Id of the entry.")],
    ) -> Response:
        """Removes one entry from the list."""
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

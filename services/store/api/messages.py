"""Lists of messages, one message, and search."""

from __future__ import annotations

import asyncio
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Response
from pydantic import AwareDatetime, Field

from libs.http import After, Cursor, Page, PageLimit, Problem, QueryModel, audited
from libs.http.pages import MAX_CURSOR_CHARACTERS
from services.store.api.context import Mailbox, StoreContext, router, tag_of_message
from services.store.api.views import MessageView
from services.store.mailboxes import folders
from services.store.mailboxes.flags import clean_flag
from services.store.mailboxes.messages import StoredMessage
from services.store.mailboxes.search import SearchCriteria, contains_text

READ_AT_ONCE = 200  # messages whose text is searched for one page
READ_BYTES = 32 * 1024 * 1024  # of them
SEARCH_SECONDS = 10.0
_UIDS, _IDS = Cursor("messages", (int,)), Cursor("search")


class SearchQuery(QueryModel):
    """The criteria of a search, all of which have to fit. Texts are found anywhere, in upper or lower case."""

    folder: str = Field("", description="Name; empty: everywhere.")
    subject: str = Field("", max_length=200, description="In the subject.")
    sender: str = Field("", max_length=200, alias="from", description="In the From field.")
    to: str = Field("", max_length=200, description="In the To field.")
    text: str = Field("", max_length=200, description="In the subject or in a text part; slower than the others.")
    flag: list[str] = Field([], max_length=20, description="Flags that it must have.")
    without_flag: list[str] = Field([], max_length=20, description="Flags that it must not have.")
    since: AwareDatetime | None = Field(None, description="Received then or later.")
    until: AwareDatetime | None = Field(None, description="Received earlier.")
    larger_than_bytes: int | None = Field(None, ge=0, description="Larger than this size.")
    smaller_than_bytes: int | None = Field(None, ge=0, description="Smaller than this size.")
    after: str | None = Field(None, max_length=MAX_CURSOR_CHARACTERS, description="`next` of the page before.")
    limit: int = Field(50, ge=1, le=200, description="Most items of the page.")


def message_routes(context: StoreContext) -> APIRouter:
    api = router("messages")

    @api.get("/messages", summary="List messages", response_model_by_alias=True)
    @audited
    async def list_messages(
        address: Mailbox,
        folder: Annotated[str, Query(description="Name; INBOX in any case.")] = "INBOX",
        after: After = None,
        limit: PageLimit = 50,
        order: Annotated[Literal["newest", "oldest"], Query(description="What comes first.")] = "newest",
        changed_since: Annotated[int, Query(ge=0, description="Only those with a greater modseq.")] = 0,
    ) -> Page[MessageView]:
        """Messages of a folder in the order of their UIDs."""
        found = await context.messages.page(
            address,
            folders.find(await context.mailboxes.folders(address), folder).id,
            after=_UIDS.number(after),
            limit=limit,
            newest_first=order == "newest",
            changed_since=changed_since,
        )
        more = _UIDS.behind(found, limit, lambda message: message.uid)
        return Page(items=[MessageView.of(message) for message in found], next=more)

    @api.get("/messages/{id}", summary="Get a message")
    @audited
    async def get_message(
        address: Mailbox, id: Annotated[str, Path(description="Id of the message.")], response: Response
    ) -> MessageView:
        """Returns one message without its content."""
        message = await context.messages.get(address, id)
        response.headers["ETag"] = tag_of_message(message)
        return MessageView.of(message)

    @api.get("/search", summary="Search messages")
    @audited
    async def search_messages(address: Mailbox, query: Annotated[SearchQuery, Query()]) -> Page[MessageView]:
        """Messages that meet all criteria, newest first. A page may hold fewer than `limit` messages and have a next
        one. A search that finds nothing in time is answered 422 with a `next` at which it can go on.
        """
        criteria = await _criteria(context, address, query)
        found, more = await _search(context, address, criteria, query)
        return Page(items=[MessageView.of(message) for message in found], next=more)

    return api


async def _criteria(context: StoreContext, address: str, query: SearchQuery) -> SearchCriteria:
    known = await context.mailboxes.folders(address)
    return SearchCriteria(
        folder=folders.find(known, query.folder).id if query.folder else "",
        subject=query.subject,
        sender=query.sender,
        to=query.to,
        text=query.text,
        with_flags=tuple(map(clean_flag, query.flag)),
        without_flags=tuple(map(clean_flag, query.without_flag)),
        since=query.since,
        before=query.until,
        larger_than=query.larger_than_bytes,
        smaller_than=query.smaller_than_bytes,
    )


async def _search(
    context: StoreContext, address: str, criteria: SearchCriteria, query: SearchQuery
) -> tuple[list[StoredMessage], str | None]:
    """The page and the cursor of the next one. A page is empty only where there is nothing more to find.

    A search for text reads bodies: after so many of them a page holds what was found. One that has found nothing for
    `SEARCH_SECONDS` says so, and where it stands.
    """
    most = READ_AT_ONCE if criteria.text else query.limit
    clock = asyncio.get_running_loop().time
    end, place = clock() + SEARCH_SECONDS, _IDS.text(query.after)
    while True:
        found, last = await _some(context, address, criteria, after=place, limit=query.limit, most=most)
        if found or last is None:
            return found, _IDS.write(last) if last else None
        if clock() > end:
            detail = f"nothing within {SEARCH_SECONDS:g} s: narrow the search, or go on with this next as after"
            raise Problem(422, detail, kind="search-timeout", next=_IDS.write(last))
        place = last


async def _some(
    context: StoreContext, address: str, criteria: SearchCriteria, *, after: str, limit: int, most: int
) -> tuple[list[StoredMessage], str | None]:
    """Return the matches among the next `most` messages, and the last of these; None for it when there are no more."""
    found: list[StoredMessage] = []
    looked_at = read_bytes = 0
    last = ""
    async for message in context.messages.matching(address, criteria, after=after, limit=most):
        looked_at, last = looked_at + 1, message.id
        read_bytes += message.size if criteria.text else 0
        if await _holds(context, message, criteria.text):
            found.append(message)
        if len(found) == limit or read_bytes > READ_BYTES:
            return found, last
    return found, last if looked_at == most else None


async def _holds(context: StoreContext, message: StoredMessage, text: str) -> bool:
    if not text:
        return True
    return await asyncio.to_thread(contains_text, await context.bodies.raw(message.body), text)

"""Lists of messages, one message, and search."""

from __future__ import annotations

import asyncio
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response
from pydantic import AwareDatetime, BaseModel, Field

from libs.http import Page, Problem
from services.store.api.context import Context, Mailbox, etag, router
from services.store.api.views import MessageView
from services.store.domain import folders
from services.store.domain.flags import clean_flag
from services.store.domain.messages import Message
from services.store.domain.search import Criteria, holds_text

Limit = Annotated[int, Query(ge=1, le=500, description="Most items on a page.")]
READ_AT_ONCE = 200  # messages whose text is searched for one page
READ_BYTES = 32 * 1024 * 1024  # of them


class SearchQuery(BaseModel):
    """What to look for: all that is given must fit. Texts are found anywhere, in any case."""

    folder: str = Field("", description="Name; empty: everywhere.")
    subject: str = Field("", max_length=200)
    sender: str = Field("", max_length=200, alias="from")
    to: str = Field("", max_length=200)
    text: str = Field("", max_length=200, description="In the subject or in a text part; slower than the others.")
    flag: list[str] = Field([], max_length=20, description="Flags that it must have.")
    without_flag: list[str] = Field([], max_length=20, description="Flags that it must not have.")
    since: AwareDatetime | None = Field(None, description="Received then or later.")
    before: AwareDatetime | None = Field(None, description="Received earlier.")
    larger_than: int | None = Field(None, ge=0, description="Bytes.")
    smaller_than: int | None = Field(None, ge=0, description="Bytes.")
    after: str = Field("", max_length=64, description="`next` of the page before.")
    limit: int = Field(50, ge=1, le=500, description="Most items on a page.")


def message_routes(context: Context) -> APIRouter:
    api = router("messages")

    @api.get("/messages", summary="Messages of a folder in the order of their UIDs", response_model_by_alias=True)
    async def listing(
        address: Mailbox,
        folder: Annotated[str, Query(description="Name; INBOX in any case.")] = "INBOX",
        after: Annotated[str, Query(max_length=20, description="`next` of the page before.")] = "",
        limit: Limit = 50,
        order: Annotated[Literal["newest", "oldest"], Query(description="What comes first.")] = "newest",
        changed_since: Annotated[int, Query(ge=0, description="Only those with a greater modseq.")] = 0,
    ) -> Page[MessageView]:
        if after and not (after.isascii() and after.isdigit()):
            raise Problem(422, "after is not a cursor of this list")
        found = await context.messages.page(
            address,
            folders.find(await context.mailboxes.folders(address), folder).id,
            after=int(after) if after else None,
            limit=limit,
            newest_first=order == "newest",
            changed_since=changed_since,
        )
        more = str(found[-1].uid) if len(found) == limit else None
        return Page(items=[MessageView.of(message) for message in found], next=more)

    @api.get("/messages/{id}", summary="One message, without its content")
    async def read(address: Mailbox, id: str, response: Response) -> MessageView:
        message = await context.messages.get(address, id)
        response.headers["ETag"] = etag(message.modseq)
        return MessageView.of(message)

    @api.get("/search", summary="Search, newest first. A page may hold fewer than `limit` and still have a next one")
    async def search(address: Mailbox, query: Annotated[SearchQuery, Query()]) -> Page[MessageView]:
        criteria = await _criteria(context, address, query)
        found, more = await _search(context, address, criteria, query)
        return Page(items=[MessageView.of(message) for message in found], next=more)

    return api


async def _criteria(context: Context, address: str, query: SearchQuery) -> Criteria:
    known = await context.mailboxes.folders(address)
    return Criteria(
        folder=folders.find(known, query.folder).id if query.folder else "",
        subject=query.subject,
        sender=query.sender,
        to=query.to,
        text=query.text,
        with_flags=tuple(map(clean_flag, query.flag)),
        without_flags=tuple(map(clean_flag, query.without_flag)),
        since=query.since,
        before=query.before,
        larger_than=query.larger_than,
        smaller_than=query.smaller_than,
    )


async def _search(
    context: Context, address: str, criteria: Criteria, query: SearchQuery
) -> tuple[list[Message], str | None]:
    """The page and the cursor of the next one. A search for text reads only so many bodies for one page."""
    most = READ_AT_ONCE if criteria.text else query.limit
    found: list[Message] = []
    looked_at = read_bytes = 0
    last = ""
    async for message in context.messages.matching(address, criteria, after=query.after, limit=most):
        looked_at, last = looked_at + 1, message.id
        if criteria.text:
            read_bytes += message.size
            raw = await context.bodies.raw(message.body)
            if not await asyncio.to_thread(holds_text, raw, criteria.text):
                raw = b""
        if not criteria.text or raw:
            found.append(message)
        if len(found) == query.limit or read_bytes > READ_BYTES:
            return found, last
    return found, last if looked_at == most else None

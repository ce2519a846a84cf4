"""The content of a message: raw, header fields, MIME parts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Path, Query, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from libs.http import Page, Problem, audited
from libs.http.openapi import raw_response
from libs.mail.headers import Headers
from libs.mail.message import Part, parse
from libs.mail.render import rendered
from services.store.api.context import Mailbox, StoreContext, router
from services.store.mailboxes.messages import StoredMessage

RAW = raw_response("message/rfc822", "The message (RFC 5322).")
PART = raw_response("application/octet-stream", "The decoded part.")

# What a stranger sent never runs in a browser, whatever it says that it is.
HARMLESS = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox; default-src 'none'"}


class HeaderField(BaseModel):
    """A header field."""

    name: str = Field(description="Name of the field.")
    value: str = Field(description="Value, unfolded.")


class MessagePart(BaseModel):
    """A MIME part. `number` counts from 0 in the order in which parts start; containers come before their content."""

    number: int = Field(description="Number of the part, from 0 in the order in which parts start.")
    content_type: str = Field(description="Media type.")
    charset: str = Field(description="Character set; empty where none is declared.")
    encoding: str = Field(description="Content-Transfer-Encoding.")
    disposition: str = Field(description="Content-Disposition; empty where there is none.")
    filename: str = Field(description="Name of the file; empty where there is none.")
    content_id: str = Field(description="Content-ID; empty where there is none.")
    size_bytes: int = Field(description="Size of the part as it is in the message.")
    is_leaf: bool = Field(description="Whether the part holds content rather than other parts.")
    defects: list[str] = Field(description="Ways in which the part violates MIME.")


def content_routes(context: StoreContext) -> list[APIRouter]:
    api, for_antispam = router("contents"), router("contents", "antispam")

    async def whole(address: str, id: str) -> bytes:
        message = await context.messages.get(address, id)
        return rendered(message.prefix, message.edits, await context.bodies.raw(message.body))

    @for_antispam.get("/messages/{id}/raw", summary="Get a raw message", response_class=Response, responses=RAW)
    @audited
    async def get_raw_message(
        address: Mailbox, id: Annotated[str, Path(description="Id of the message.")]
    ) -> StreamingResponse:
        """Returns the whole message (RFC 5322), as it is delivered to the mailbox."""
        message = await context.messages.get(address, id)
        length = {"Content-Length": str(message.size), **HARMLESS}
        return StreamingResponse(stream(context, message), media_type="message/rfc822", headers=length)

    @api.get("/messages/{id}/headers", summary="List the header fields of a message")
    @audited
    async def list_message_headers(
        address: Mailbox,
        id: Annotated[str, Path(description="Id of the message.")],
        decoded: Annotated[bool, Query(description="Decode RFC 2047 words.")] = False,
    ) -> Page[HeaderField]:
        """Lists the header fields from the top."""
        message = await context.messages.get(address, id)
        pieces = stream(context, message)
        block = Headers(await anext(pieces))
        await pieces.aclose()
        values = ((name, block.decoded(name) if decoded and block.count(name) == 1 else value) for name, value in block)
        return Page(items=[HeaderField(name=name, value=value) for name, value in values])

    @api.get("/messages/{id}/parts", summary="List the MIME parts of a message")
    @audited
    async def list_message_parts(
        address: Mailbox, id: Annotated[str, Path(description="Id of the message.")]
    ) -> Page[MessagePart]:
        """Lists the MIME parts without their content."""
        octets = await whole(address, id)
        return Page(items=await asyncio.to_thread(_views, octets))

    @api.get(
        "/messages/{id}/parts/{number}", summary="Get a MIME part of a message", response_class=Response, responses=PART
    )
    @audited
    async def get_message_part(
        address: Mailbox,
        id: Annotated[str, Path(description="Id of the message.")],
        number: Annotated[int, Path(description="Number of the part, as in the list of parts.")],
    ) -> Response:
        """Returns one part, decoded. Its media type stands in `X-Part-Type`, so that no browser acts on it."""
        octets = await whole(address, id)
        found = await asyncio.to_thread(_decoded, octets, number)
        if found is None:
            raise Problem(404, "there is no such part")
        view, content = found
        name = quote(view.filename or f"part-{number}", safe="")
        disposition = {"Content-Disposition": f"attachment; filename*=UTF-8''{name}", **HARMLESS}
        return Response(
            content, media_type="application/octet-stream", headers={**disposition, "X-Part-Type": view.content_type}
        )

    return [for_antispam, api]


async def stream(context: StoreContext, message: StoredMessage) -> AsyncGenerator[bytes]:
    """The rendered message in pieces; the first holds the whole header block."""
    edits = message.edits
    prefix = message.prefix
    async for piece in context.bodies.pieces(message.body):
        yield rendered(prefix, edits, piece)
        prefix, edits = b"", ()


def _views(octets: bytes) -> list[MessagePart]:
    return [_view(number, part) for number, part in enumerate(parse(octets).parts())]


def _decoded(octets: bytes, number: int) -> tuple[MessagePart, bytes] | None:
    for at, part in enumerate(parse(octets).parts()):
        if at == number:
            return _view(number, part), part.body()
    return None


def _view(number: int, part: Part) -> MessagePart:
    return MessagePart(
        number=number,
        content_type=part.content_type,
        charset=part.charset,
        encoding=part.encoding,
        disposition=part.disposition,
        filename=part.filename,
        content_id=part.headers.get("Content-ID") or "",
        size_bytes=len(part.raw) - len(part.headers.raw),
        is_leaf=part.is_leaf,
        defects=[str(defect) for defect in part.defects],
    )

"""What is in a message: raw, header fields, MIME parts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Query, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from libs.http import Problem, audited
from libs.mail.headers import Headers
from libs.mail.message import Part, parse
from libs.mail.render import rendered
from services.store.api.context import Context, Mailbox, router
from services.store.mailboxes.messages import Message

RAW = {"description": "The message (RFC 5322) as it is read.", "content": {"message/rfc822": {}}}

# What a stranger sent never runs in a browser, whatever it says that it is.
HARMLESS = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox; default-src 'none'"}


class HeaderField(BaseModel):
    name: str
    value: str


class HeaderList(BaseModel):
    """Fields from the top, unfolded; RFC 2047 as it is, unless `decoded` was asked for."""

    items: list[HeaderField]


class MessagePart(BaseModel):
    """A MIME part. `number` counts from 0 in the order in which parts start; containers come before their content."""

    number: int
    content_type: str
    charset: str
    encoding: str
    disposition: str
    filename: str
    content_id: str
    size_bytes: int
    is_leaf: bool
    defects: list[str]


class MessagePartList(BaseModel):
    items: list[MessagePart]


def content_routes(context: Context) -> list[APIRouter]:
    api, for_antispam = router("contents"), router("contents", "antispam")

    async def whole(address: str, id: str) -> bytes:
        message = await context.messages.get(address, id)
        return rendered(message.prefix, message.edits, await context.bodies.raw(message.body))

    @for_antispam.get("/messages/{id}/raw", summary="The whole message", response_class=Response, responses={200: RAW})
    @audited
    async def get_raw_message(address: Mailbox, id: str) -> StreamingResponse:
        message = await context.messages.get(address, id)
        length = {"Content-Length": str(message.size), **HARMLESS}
        return StreamingResponse(stream(context, message), media_type="message/rfc822", headers=length)

    @api.get("/messages/{id}/headers", summary="The header fields, ours first")
    @audited
    async def list_message_headers(
        address: Mailbox, id: str, decoded: Annotated[bool, Query(description="Decode RFC 2047 words.")] = False
    ) -> HeaderList:
        message = await context.messages.get(address, id)
        pieces = stream(context, message)
        block = Headers(await anext(pieces))
        await pieces.aclose()
        values = ((name, block.decoded(name) if decoded and block.count(name) == 1 else value) for name, value in block)
        return HeaderList(items=[HeaderField(name=name, value=value) for name, value in values])

    @api.get("/messages/{id}/parts", summary="The MIME parts, without their content")
    @audited
    async def list_message_parts(address: Mailbox, id: str) -> MessagePartList:
        octets = await whole(address, id)
        return MessagePartList(items=await asyncio.to_thread(_views, octets))

    @api.get("/messages/{id}/parts/{number}", summary="One part, decoded", response_class=Response)
    @audited
    async def get_message_part(address: Mailbox, id: str, number: int) -> Response:
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


async def stream(context: Context, message: Message) -> AsyncGenerator[bytes]:
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

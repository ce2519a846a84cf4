"""Messages that come by the API and not by mail: drafts, sent mail, imports."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import AwareDatetime

from libs.envelope import new_id
from libs.http import Problem
from libs.mail.headers import Headers
from services.store.api.context import Context, IdempotencyKey, Mailbox, etag, router
from services.store.api.views import MessageView
from services.store.domain import folders
from services.store.domain.flags import FlagChange
from services.store.domain.messages import Body, Copy, Delivery, summarise
from services.store.domain.refusals import Conflicting

BODY = {"requestBody": {"required": True, "content": {"message/rfc822": {"schema": {"type": "string"}}}}}


def appending_routes(context: Context) -> APIRouter:
    api = router("messages")

    @api.post(
        "/messages",
        status_code=201,
        summary="Append a message (RFC 5322) to a folder; 409 when the mailbox would be over its quota",
        openapi_extra=BODY,
    )
    async def append(
        request: Request,
        response: Response,
        address: Mailbox,
        folder: Annotated[str, Query(description="Name; INBOX in any case.")] = "INBOX",
        flag: Annotated[list[str], Query(max_length=64, description="Flags of the new message.")] = [],  # noqa: B006
        received_at: Annotated[AwareDatetime | None, Query(description="Internal date; now if not given.")] = None,
        idempotency_key: IdempotencyKey = None,
    ) -> MessageView:
        raw = await request.body()
        if not raw:
            raise Problem(422, "the message is empty")
        key = f"append:{idempotency_key or new_id(context.clock())}"
        copy = Copy(
            mailbox=address,
            folder=folders.find(await context.mailboxes.folders(address), folder).id,
            key=key,
            summary=summarise(Headers(raw)),
            prefix=b"",
            edits=(),
            size=len(raw),
            received_at=received_at or context.clock(),
            flags=FlagChange.of(add=flag).apply(()),
            limit=(await context.limits.of([address]))[address],
        )
        outcome = await context.deliveries.deliver(Delivery(Body.of(raw), (copy,)))
        if outcome.over_quota:
            raise Conflicting("the mailbox is over its quota")
        context.announcements.changed(outcome.usages)
        message = await context.messages.by_key(address, key)
        response.headers["ETag"] = etag(message.modseq)
        response.headers["Location"] = f"/v1/mailboxes/{address}/messages/{message.id}"
        return MessageView.of(message)

    return api

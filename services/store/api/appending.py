"""Messages that are added over the API: drafts, sent mail, imports."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Query, Request, Response
from pydantic import AwareDatetime

from libs.envelope import new_id
from libs.http import Idempotency, Problem
from libs.http.idempotency import MadeAndGone
from libs.http.openapi import raw_body
from libs.mail.headers import Headers
from services.store.api.context import Mailbox, StoreContext, router, tag_of_message
from services.store.api.views import MessageView
from services.store.mailboxes import folders
from services.store.mailboxes.flags import FlagChange
from services.store.mailboxes.messages import Body, Copy, MailboxDelivery, StoredMessage, summarise
from services.store.mailboxes.refusals import MailboxOverQuota, NotFound

RFC822 = "message/rfc822"
BODY = raw_body(RFC822, "The message (RFC 5322).")


def appending_routes(context: StoreContext) -> APIRouter:
    api = router("messages")

    async def again(address: str, key: str) -> StoredMessage:
        """Return the message that was appended under `key`. An expunged message is not appended again."""
        try:
            return await context.messages.by_key(address, key)
        except NotFound:
            raise MadeAndGone from None

    async def message_in(request: Request) -> bytes:
        if request.headers.get("content-type", RFC822).partition(";")[0].strip().lower() != RFC822:
            raise Problem(415, f"send {RFC822}")
        raw = await request.body()
        if not raw:
            raise Problem(422, "the message is empty")
        return raw

    def tagged(message: StoredMessage, address: str, response: Response) -> MessageView:
        response.headers["ETag"] = tag_of_message(message)
        response.headers["Location"] = f"/v1/mailboxes/{quote(address, safe='@')}/messages/{message.id}"
        return MessageView.of(message)

    @api.post(
        "/messages",
        status_code=201,
        summary="Append a message",
        openapi_extra=BODY,
    )
    async def append_message(
        request: Request,
        response: Response,
        address: Mailbox,
        once: Idempotency,
        folder: Annotated[str, Query(description="Name; INBOX in any case.")] = "INBOX",
        flag: Annotated[list[str], Query(max_length=64, description="Flags of the new message.")] = [],  # noqa: B006
        received_at: Annotated[AwareDatetime | None, Query(description="Internal date; now if not given.")] = None,
    ) -> MessageView:
        """Adds a message (RFC 5322) to a folder: a draft, sent mail, or an import. The answer is 409 when the mailbox
        would be over its quota.
        """
        target = folders.find(await context.mailboxes.folders(address), folder).id
        raw = await message_in(request)
        kept = await context.keys.claim(once, new_id(context.clock())) if once else None
        key = f"append:{kept.result if kept else new_id(context.clock())}"
        if kept is not None and kept.is_done:
            return tagged(await again(address, key), address, response)
        copy = Copy(
            mailbox=address,
            folder=target,
            key=key,
            summary=summarise(Headers(raw)),
            prefix=b"",
            edits=(),
            size=len(raw),
            received_at=received_at or context.clock(),
            flags=FlagChange.of(add=flag).apply(()),
            limit=(await context.limits.of([address]))[address],
        )
        outcome = await context.deliveries.deliver(MailboxDelivery(Body.of(raw), (copy,)))
        if outcome.gone or outcome.unknown:
            raise NotFound("there is no such mailbox")
        if outcome.over_quota:
            raise MailboxOverQuota
        context.usage_publisher.enqueue(outcome.usages)
        if once is None:
            return tagged(await context.messages.by_key(address, key), address, response)
        message = await again(address, key)
        await context.keys.finish(once)
        return tagged(message, address, response)

    return api

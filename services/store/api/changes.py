"""Changes to messages: flags, moves, copies, deletion; one at a time or many in one step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from libs.envelope import new_id
from libs.http import Idempotency, IfMatch, Precondition, RequestBody
from libs.http.idempotency import MadeAndGone
from services.store.api.context import Context, Mailbox, router, tag_of_message
from services.store.api.views import MailboxTotals, MessageView
from services.store.mailboxes import folders
from services.store.mailboxes.flags import MAX_FLAGS, FlagChange
from services.store.mailboxes.messages import Message
from services.store.mailboxes.mongo_changes import Changed
from services.store.mailboxes.mongo_transaction_steps import AT_ONCE

Ids = Annotated[list[str], Field(min_length=1, max_length=AT_ONCE)]
Flags = Annotated[list[str], Field(max_length=MAX_FLAGS)]


class FlagChangeRequest(RequestBody):
    """First `set` all (if given), then `add`, then `remove`. Flags as in IMAP: `\\Seen`, `$Forwarded`."""

    add: Flags = Field([])
    remove: Flags = Field([])
    set: Flags | None = None

    def change(self) -> FlagChange:
        return FlagChange.of(add=self.add, remove=self.remove, replace=self.set)


class BulkFlagChange(FlagChangeRequest):
    ids: Ids


class MessageSelection(RequestBody):
    ids: Ids


class MessagePlacement(MessageSelection):
    folder: str = Field(description="Name of the folder that they go to.")


class MessageChanges(BaseModel):
    """The messages as they are now, those that were not there left out; and the totals of the mailbox."""

    items: list[MessageView]
    usage: MailboxTotals


def change_routes(context: Context) -> APIRouter:
    api = router("messages")

    def answer(changed: Changed) -> MessageChanges:
        context.usage_publisher.enqueue([changed.usage])
        items = [MessageView.of(message) for message in changed.messages]
        return MessageChanges(items=items, usage=MailboxTotals.of(changed.usage))

    def matching(if_match: Precondition) -> Callable[[Message], bool]:
        return lambda message: if_match.holds(tag_of_message(message))

    async def folder_id(address: str, name: str) -> str:
        return folders.find(await context.mailboxes.folders(address), name).id

    @api.post("/messages/flags", summary="Change the flags of many messages in one step")
    async def flag_messages(address: Mailbox, body: BulkFlagChange) -> MessageChanges:
        return answer(await context.changes.flag(address, body.ids, body.change()))

    @api.post("/messages/move", summary="Move messages to another folder, where they get new UIDs; ids stay")
    async def move_messages(address: Mailbox, body: MessagePlacement) -> MessageChanges:
        target = await folder_id(address, body.folder)
        changed = await context.changes.move(address, body.ids, target)
        await context.junk_feedback.report_move(address, changed.origins, target)
        return answer(changed)

    @api.post("/messages/copy", summary="Copy messages; 409 when the mailbox would be over its quota")
    async def copy_messages(address: Mailbox, body: MessagePlacement, once: Idempotency) -> MessageChanges:
        folder = await folder_id(address, body.folder)
        kept = await context.keys.claim(once, new_id(context.clock())) if once else None
        if kept is not None and kept.is_done:
            changed = await context.changes.copied(address, body.ids, kept.result)
            if not changed.messages:
                raise MadeAndGone
            return answer(changed)
        limit = (await context.limits.of([address]))[address]
        key = kept.result if kept else None
        changed = await context.changes.copy(address, body.ids, folder, limit=limit, key=key)
        if once is not None:
            await context.keys.finish(once)
        await context.junk_feedback.report_move(
            address, changed.origins, folder
        )  # clients without MOVE copy, and delete then
        return answer(changed)

    @api.post("/messages/delete", summary="Expunge messages for ever; frees the quota at once")
    async def delete_messages(address: Mailbox, body: MessageSelection) -> MessageChanges:
        return answer(await context.expunge.messages(address, body.ids))

    @api.patch("/messages/{id}", summary="Change the flags of one message")
    async def update_message(
        address: Mailbox, id: str, body: FlagChangeRequest, response: Response, if_match: IfMatch
    ) -> MessageView:
        changed = await context.changes.flag(address, [id], body.change(), match=matching(if_match))
        response.headers["ETag"] = tag_of_message(changed.messages[0])
        return answer(changed).items[0]

    @api.delete("/messages/{id}", status_code=204, summary="Expunge one message for ever")
    async def delete_message(address: Mailbox, id: str, if_match: IfMatch) -> Response:
        answer(await context.expunge.messages(address, [id], match=matching(if_match)))
        return Response(status_code=204)

    return api

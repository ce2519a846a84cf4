"""Changes to messages: flags, moves, copies, deletion; one at a time or many in one step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel, Field

from libs.envelope import new_id
from libs.http import Idempotency, IfMatch, Precondition, RequestBody
from libs.http.idempotency import MadeAndGone
from libs.http.openapi import CONFLICT
from libs.http.requests import example
from services.store.api.context import Mailbox, StoreContext, router, tag_of_message
from services.store.api.views import MailboxTotals, MessageView
from services.store.mailboxes import folders
from services.store.mailboxes.flags import MAX_FLAGS, FlagChange
from services.store.mailboxes.messages import StoredMessage
from services.store.mailboxes.mongo_changes import Changed
from services.store.mailboxes.mongo_transaction_steps import MAX_BATCH

Ids = Annotated[list[str], Field(min_length=1, max_length=MAX_BATCH)]
Flags = Annotated[list[str], Field(max_length=MAX_FLAGS)]


class FlagChangeRequest(RequestBody):
    """First `set` all (if given), then `add`, then `remove`. Flags as in IMAP: `\\Seen`, `$Forwarded`."""

    model_config = example({"add": ["\\Seen"]})

    add: Flags = Field([], description="Flags to add.")
    remove: Flags = Field([], description="Flags to remove.")
    set: Flags | None = Field(None, description="All flags, in place of the present ones; null: the present ones stay.")

    def change(self) -> FlagChange:
        return FlagChange.of(add=self.add, remove=self.remove, replace=self.set)


class BulkFlagChange(FlagChangeRequest):
    """A change of the flags of many messages."""

    model_config = example({"ids": ["01a21f0049537000af956394cd9e0737"], "add": ["\\Seen"]})

    ids: Ids = Field(description="Ids of the messages.")


class MessageSelection(RequestBody):
    """Messages, by id."""

    model_config = example({"ids": ["01a21f0049537000af956394cd9e0737"]})

    ids: Ids = Field(description="Ids of the messages.")


class MessagePlacement(MessageSelection):
    """Messages and the folder in which they are put."""

    model_config = example({"ids": ["01a21f0049537000af956394cd9e0737"], "folder": "Archive"})

    folder: str = Field(description="Name of the folder that they go to.")


class MessageChanges(BaseModel):
    """The present state of the messages that exist, and the totals of the mailbox."""

    items: list[MessageView] = Field(description="The changed messages, as they are now.")
    usage: MailboxTotals = Field(description="Totals of the mailbox.")


def change_routes(context: StoreContext) -> APIRouter:
    api = router("messages")

    def answer(changed: Changed) -> MessageChanges:
        context.usage_publisher.enqueue([changed.usage])
        items = [MessageView.of(message) for message in changed.messages]
        return MessageChanges(items=items, usage=MailboxTotals.of(changed.usage))

    def matching(if_match: Precondition) -> Callable[[StoredMessage], bool]:
        return lambda message: if_match.holds(tag_of_message(message))

    async def folder_id(address: str, name: str) -> str:
        return folders.find(await context.mailboxes.folders(address), name).id

    @api.post("/messages/flags", summary="Change the flags of many messages")
    async def flag_messages(address: Mailbox, body: BulkFlagChange) -> MessageChanges:
        """Changes the flags of the messages in one step. Messages that do not exist are left out."""
        return answer(await context.changes.flag(address, body.ids, body.change()))

    @api.post("/messages/move", summary="Move messages")
    async def move_messages(address: Mailbox, body: MessagePlacement) -> MessageChanges:
        """Moves messages to another folder, where they get new UIDs; their ids stay."""
        target = await folder_id(address, body.folder)
        changed = await context.changes.move(address, body.ids, target)
        await context.junk_feedback.report_move(address, changed.origins, target)
        return answer(changed)

    @api.post("/messages/copy", summary="Copy messages", responses=CONFLICT)
    async def copy_messages(address: Mailbox, body: MessagePlacement, once: Idempotency) -> MessageChanges:
        """Copies messages to a folder. The answer is 409 when the mailbox would be over its quota."""
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

    @api.post("/messages/delete", summary="Delete many messages")
    async def delete_messages(address: Mailbox, body: MessageSelection) -> MessageChanges:
        """Expunges the messages for ever; they count no more towards the quota."""
        return answer(await context.expunge.messages(address, body.ids))

    @api.patch("/messages/{id}", summary="Change the flags of a message")
    async def update_message(
        address: Mailbox,
        id: Annotated[str, Path(description="Id of the message.")],
        body: FlagChangeRequest,
        response: Response,
        if_match: IfMatch,
    ) -> MessageView:
        """Changes the flags of one message (`set`, then `add`, then `remove`)."""
        changed = await context.changes.flag(address, [id], body.change(), match=matching(if_match))
        response.headers["ETag"] = tag_of_message(changed.messages[0])
        return answer(changed).items[0]

    @api.delete("/messages/{id}", status_code=204, summary="Delete a message")
    async def delete_message(
        address: Mailbox, id: Annotated[str, Path(description="Id of the message.")], if_match: IfMatch
    ) -> Response:
        """Expunges one message for ever."""
        answer(await context.expunge.messages(address, [id], match=matching(if_match)))
        return Response(status_code=204)

    return api

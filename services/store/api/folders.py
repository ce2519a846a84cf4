"""Folders of a mailbox."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, Field

from libs.http import IfMatch, Page, Precondition, RequestBody
from libs.http.openapi import CONFLICT
from libs.http.requests import example
from libs.http.resources import created
from services.store.api.context import Mailbox, StoreContext, router, tag_of_folder
from services.store.api.views import FolderCounts, FolderView, FolderWithCounts, MailboxTotals
from services.store.mailboxes.folders import SPECIAL, Folder


class FolderName(RequestBody):
    """The name of a folder."""

    model_config = example({"name": "Projects/2026"})

    name: str = Field(min_length=1, max_length=255, description="With `/` between levels; INBOX in any case.")


class VanishedMessages(BaseModel):
    """UIDs that left the folder, ascending. `since` must not be older than tombstones are kept (30 days)."""

    uids: list[int] = Field(description="The UIDs, ascending.")
    highestmodseq: int = Field(description="Highest modification sequence number of the folder.")


def folder_routes(context: StoreContext) -> APIRouter:
    api = router("folders")

    def matching(if_match: Precondition) -> Callable[[Folder], bool]:
        return lambda folder: if_match.holds(tag_of_folder(folder))

    @api.get("/folders", summary="List folders")
    async def list_folders(address: Mailbox) -> Page[FolderWithCounts]:
        """Lists all folders with their counts: special ones first, then the others by name."""
        folders = (await context.mailboxes.folders(address)).values()
        order = list(SPECIAL)
        ordered = sorted(folders, key=lambda f: (order.index(f.id) if f.id in SPECIAL else len(order), f.name))
        return Page(items=[FolderWithCounts.of(folder) for folder in ordered])

    @api.post("/folders", status_code=201, summary="Create a folder")
    async def create_folder(address: Mailbox, body: FolderName, response: Response) -> FolderView:
        """Creates a folder and its missing parents."""
        folder = await context.mailboxes.create_folder(address, body.name)
        created(response, f"/v1/mailboxes/{quote(address, safe='@')}/folders", folder.id)
        response.headers["ETag"] = tag_of_folder(folder)
        return FolderView.of(folder)

    @api.get("/folders/{id}", summary="Get a folder")
    async def get_folder(
        address: Mailbox, id: Annotated[str, Path(description="Id of the folder.")], response: Response
    ) -> FolderView:
        """Returns one folder, without the counts that change with each message."""
        folder = await context.folder(address, id)
        response.headers["ETag"] = tag_of_folder(folder)
        return FolderView.of(folder)

    @api.get("/folders/{id}/counts", summary="Count the messages of a folder")
    async def get_folder_counts(
        address: Mailbox, id: Annotated[str, Path(description="Id of the folder.")]
    ) -> FolderCounts:
        """Shows the counts of a folder, which change with each of its messages."""
        return FolderCounts.of(await context.folder(address, id))

    @api.patch("/folders/{id}", summary="Rename a folder", responses=CONFLICT)
    async def update_folder(
        address: Mailbox,
        id: Annotated[str, Path(description="Id of the folder.")],
        body: FolderName,
        response: Response,
        if_match: IfMatch,
    ) -> FolderView:
        """Renames a folder with all folders below it. Special folders keep their names."""
        folder = await context.mailboxes.rename_folder(address, id, body.name, match=matching(if_match))
        response.headers["ETag"] = tag_of_folder(folder)
        return FolderView.of(folder)

    @api.delete("/folders/{id}", status_code=204, summary="Delete a folder", responses=CONFLICT)
    async def delete_folder(
        address: Mailbox, id: Annotated[str, Path(description="Id of the folder.")], if_match: IfMatch
    ) -> Response:
        """Deletes a folder with its messages. The answer is 409 while there are folders below it, and for special
        folders.
        """
        await context.mailboxes.check_deletable(address, id)
        folder = await context.folder(address, id)
        if_match.check(tag_of_folder(folder))  # before anything goes
        usage = await context.expunge.folder(address, id, last_uid=folder.last_uid)
        if usage is not None:
            context.usage_publisher.enqueue([usage])
        await context.mailboxes.delete_empty_folder(address, id, match=matching(if_match))
        return Response(status_code=204)

    @api.post("/folders/{id}/empty", summary="Empty a folder")
    async def empty_folder(
        address: Mailbox,
        id: Annotated[str, Path(description="Id of the folder.")],
        if_match: IfMatch,
        older_than_days: Annotated[
            int | None, Query(ge=0, le=36500, description="Only messages that are older.")
        ] = None,
    ) -> MailboxTotals:
        """Expunges all messages that are in the folder now; they count no more towards the quota."""
        folder = await context.folder(address, id)
        if_match.check(tag_of_folder(folder))
        before: datetime | None = None
        if older_than_days is not None:
            before = context.clock() - timedelta(days=older_than_days)
        usage = await context.expunge.folder(address, id, last_uid=folder.last_uid, before=before)
        if usage is not None:
            context.usage_publisher.enqueue([usage])
        return MailboxTotals.of(usage or await context.mailboxes.usage(address))

    @api.get("/folders/{id}/vanished", summary="List vanished UIDs")
    async def list_vanished_uids(
        address: Mailbox,
        id: Annotated[str, Path(description="Id of the folder.")],
        since: Annotated[int, Query(ge=0, description="Modification sequence number after which they left.")] = 0,
    ) -> VanishedMessages:
        """Lists the UIDs that left the folder after a modification sequence number, as for QRESYNC (RFC 7162)."""
        folder = await context.folder(address, id)
        uids = await context.messages.vanished(address, id, since=since)
        return VanishedMessages(uids=uids, highestmodseq=folder.modseq)

    return api

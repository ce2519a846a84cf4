"""The context of the routes, and their shared dependencies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request, Response
from fastapi.routing import APIRoute

from libs.http import ADMIN, MongoKeys, Problem, entity_tag, require
from libs.mail.address import InvalidAddress, canonical
from services.store.mailboxes.folders import Folder
from services.store.mailboxes.junk_feedback import JunkFeedback
from services.store.mailboxes.messages import StoredMessage
from services.store.mailboxes.mongo_bodies import MongoBodies
from services.store.mailboxes.mongo_changes import MongoChanges
from services.store.mailboxes.mongo_delivery import MongoDelivery
from services.store.mailboxes.mongo_expunge import MongoExpunge
from services.store.mailboxes.mongo_mailboxes import MongoMailboxes
from services.store.mailboxes.mongo_messages import MongoMessages
from services.store.mailboxes.ports import MailboxLimits
from services.store.mailboxes.refusals import (
    Conflict,
    InfectedMessage,
    InvalidRequest,
    MailboxOverQuota,
    NotFound,
    PreconditionFailed,
    Refusal,
)
from services.store.mailboxes.usage_publisher import UsagePublisher
from services.store.quarantine.actions import QuarantineActions
from services.store.quarantine.mongo_quarantine import MongoQuarantine

# Status and kind of the problem; without a kind, it is the general one of the status.
_PROBLEMS: dict[type[Refusal], tuple[int, str]] = {
    NotFound: (404, ""),
    Conflict: (409, ""),
    MailboxOverQuota: (409, "over-quota"),
    InfectedMessage: (409, "infected"),
    PreconditionFailed: (412, ""),
    InvalidRequest: (422, ""),
}


@dataclass(frozen=True, slots=True)
class StoreContext:
    """The adapters behind the API."""

    mailboxes: MongoMailboxes
    messages: MongoMessages
    changes: MongoChanges
    expunge: MongoExpunge
    bodies: MongoBodies
    quarantine: MongoQuarantine
    deliveries: MongoDelivery
    limits: MailboxLimits
    usage_publisher: UsagePublisher
    junk_feedback: JunkFeedback
    actions: QuarantineActions
    keys: MongoKeys
    clock: Callable[[], datetime]

    async def folder(self, address: str, id: str) -> Folder:
        """Raises `NotFound`."""
        folders = await self.mailboxes.folders(address)
        if id not in folders:
            raise NotFound("there is no such folder")
        return folders[id]


class _Refusing(APIRoute):
    """Gives each refusal of the domain its status."""

    def get_route_handler(self) -> Callable[[Request], Any]:
        handle = super().get_route_handler()

        async def refusing(request: Request) -> Response:
            try:
                response: Response = await handle(request)
            except Refusal as refusal:
                status, kind = _PROBLEMS[type(refusal)]
                raise Problem(status, str(refusal), kind=kind) from refusal
            return response

        return refusing


def router(tag: str, *callers: str, prefix: str = "/v1/mailboxes/{address:path}") -> APIRouter:
    """Routes for the administrator and the services `callers`."""
    return APIRouter(prefix=prefix, tags=[tag], dependencies=[Depends(require(ADMIN, *callers))], route_class=_Refusing)


def _canonical(address: Annotated[str, Path(description="Address of the account, in any case.")]) -> str:
    try:
        return canonical(address)
    except InvalidAddress as error:
        raise Problem(404, "there is no such mailbox") from error


Mailbox = Annotated[str, Depends(_canonical)]


def tag_of_message(message: StoredMessage) -> str:
    """A modification sequence number counts the changes of one folder: the folder is part of the version."""
    return entity_tag(message.modseq, message.folder)


def tag_of_folder(folder: Folder) -> str:
    """Return the ETag of a folder, without its counters. A folder that is created again has another UIDVALIDITY."""
    return entity_tag(folder.revision, folder.id, str(folder.uidvalidity))

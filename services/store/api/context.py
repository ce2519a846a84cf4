"""What the routes work with, and what they share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Path, Request, Response
from fastapi.routing import APIRoute

from libs.http import ADMIN, Problem, require
from libs.mail.address import InvalidAddress, canonical
from services.store.adapters.mongo_bodies import MongoBodies
from services.store.adapters.mongo_changes import MongoChanges
from services.store.adapters.mongo_expunge import MongoExpunge
from services.store.adapters.mongo_mailboxes import MongoMailboxes
from services.store.adapters.mongo_messages import MongoMessages
from services.store.adapters.mongo_quarantine import MongoQuarantine
from services.store.domain.folders import Folder
from services.store.domain.refusals import Conflicting, NotThere, Outdated, Refusal, Unfit
from services.store.lessons import Lessons
from services.store.ports import Announcements, Deliveries, Limits
from services.store.quarantine.warden import Warden

_STATUS: dict[type[Refusal], int] = {NotThere: 404, Conflicting: 409, Outdated: 412, Unfit: 422}


@dataclass(frozen=True, slots=True)
class Context:
    """The adapters behind the API."""

    mailboxes: MongoMailboxes
    messages: MongoMessages
    changes: MongoChanges
    expunge: MongoExpunge
    bodies: MongoBodies
    quarantine: MongoQuarantine
    deliveries: Deliveries
    limits: Limits
    announcements: Announcements
    lessons: Lessons
    warden: Warden
    clock: Callable[[], datetime]

    async def folder(self, address: str, id: str) -> Folder:
        """Raises `NotThere`."""
        folders = await self.mailboxes.folders(address)
        if id not in folders:
            raise NotThere("there is no such folder")
        return folders[id]


class _Refusing(APIRoute):
    """Gives each refusal of the domain its status."""

    def get_route_handler(self) -> Callable[[Request], Any]:
        handle = super().get_route_handler()

        async def refusing(request: Request) -> Response:
            try:
                response: Response = await handle(request)
            except Refusal as refusal:
                raise Problem(_STATUS[type(refusal)], str(refusal)) from refusal
            return response

        return refusing


def router(tag: str, *callers: str, prefix: str = "/v1/mailboxes/{address}") -> APIRouter:
    """Routes for the administrator and the services `callers`."""
    return APIRouter(prefix=prefix, tags=[tag], dependencies=[Depends(require(ADMIN, *callers))], route_class=_Refusing)


def _canonical(address: Annotated[str, Path(description="Address of the account, in any case.")]) -> str:
    try:
        return canonical(address)
    except InvalidAddress as error:
        raise Problem(404, "there is no such mailbox") from error


Mailbox = Annotated[str, Depends(_canonical)]
IfMatch = Annotated[
    str | None, Header(description="ETag of the version that is to be changed; 412 when it is another.")
]
IdempotencyKey = Annotated[
    str | None, Header(max_length=255, description="The same key again gives the first answer and creates nothing.")
]


def etag(number: int) -> str:
    return f'"{number}"'


def expected(if_match: str | None) -> int | None:
    """The number behind an ETag of ours; None when the caller takes any version (RFC 9110 13.1.1)."""
    if if_match is None or if_match.strip() == "*":
        return None
    digits = if_match.strip().strip('"')
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 19 else -1

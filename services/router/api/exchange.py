"""What the requests to the directory share: who asks, preconditions, idempotency keys, ETags, the audit trail."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Annotated
from urllib.parse import quote

import structlog
from fastapi import Depends, Header, Query, Request, Response
from pydantic import AfterValidator, BaseModel, ConfigDict

from libs.http import ADMIN, require
from libs.mail.address import normalise, normalise_domain
from services.router.domain.records import Record
from services.router.ports import Match, Once
from services.router.refusals import Unfit

log = structlog.get_logger(__name__)


class Body(BaseModel):
    """A request: a field that we do not know is an error of the caller."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _printable(text: str) -> str:
    """No line end can get from a name into a header (RFC 5322 2.2)."""
    if not text.isprintable():
        raise ValueError("control characters are not allowed")
    return text.strip()


Address = Annotated[str, AfterValidator(normalise)]
DomainName = Annotated[str, AfterValidator(normalise_domain)]
OfDomain = Annotated[DomainName | None, Query(description="Of this domain only.")]
Name = Annotated[str, AfterValidator(_printable)]
Limit = Annotated[int, Query(ge=1, le=200, description="Most items of a page.")]
After = Annotated[str, Query(max_length=512, description="`next` of the page before.")]


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request of an administrator, and the answer to it."""

    role: str
    peer: str
    response: Response

    def did(self, event: str, **what: object) -> None:
        """A line of the audit trail (R-AD-06); passwords are never in `what`."""
        log.info(event, audit=True, by=self.role, peer=self.peer, **what)

    def locate(self, collection: str, name: str) -> None:
        """The Location of what was made; an address may have any character of Unicode."""
        self.response.headers["Location"] = f"/v1/{collection}/{quote(name, safe='@')}"

    def tag(self, record: Record) -> None:
        """The ETag of what is answered."""
        self.response.headers["ETag"] = f'"{record.version}"'


@dataclass(frozen=True, slots=True)
class Creation(Exchange):
    """With the Idempotency-Key."""

    key: str | None

    def once(self, operation: str, body: BaseModel) -> Once | None:
        """The key within its operation. Passwords are masked in the JSON that is digested."""
        if self.key is None:
            return None
        if not 1 <= len(self.key) <= 255 or not self.key.isprintable():
            raise Unfit("an Idempotency-Key has 1 to 255 printable characters")
        return Once(f"{operation} {self.key}", sha256(body.model_dump_json().encode()).hexdigest())


@dataclass(frozen=True, slots=True)
class Edit(Exchange):
    """With the precondition (If-Match)."""

    match: Match


async def _read(request: Request, response: Response, caller: Annotated[str, Depends(require(ADMIN))]) -> Exchange:
    return Exchange(caller, request.client.host if request.client else "", response)


async def _creation(
    asked: Annotated[Exchange, Depends(_read)],
    key: Annotated[
        str | None, Header(alias="Idempotency-Key", description="Repeating it repeats the answer only.")
    ] = None,
) -> Creation:
    return Creation(asked.role, asked.peer, asked.response, key)


async def _edit(
    asked: Annotated[Exchange, Depends(_read)],
    if_match: Annotated[str | None, Header(description="ETag of the version to change")] = None,
) -> Edit:
    return Edit(asked.role, asked.peer, asked.response, _match(if_match))


def _match(if_match: str | None) -> Match:
    """RFC 9110 13.1.1: any of the entity tags, or `*`; weak ones never match."""
    if if_match is None or if_match.strip() == "*":
        return None
    tags = {tag.strip() for tag in if_match.split(",")}
    return lambda version: f'"{version}"' in tags


Reading = Annotated[Exchange, Depends(_read)]
Creating = Annotated[Creation, Depends(_creation)]
Editing = Annotated[Edit, Depends(_edit)]

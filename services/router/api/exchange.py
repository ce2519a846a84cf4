"""What the operations of the directory share: who asks, preconditions, idempotency keys, pages, ETags."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Annotated, TypeVar
from urllib.parse import quote

import structlog
from fastapi import Depends, Header, Query, Request, Response
from pydantic import AfterValidator, BaseModel, ConfigDict

from libs.http import Role, require
from libs.mail.address import normalise, normalise_domain
from services.router.ports import Match, Once
from services.router.refusals import Unfit

log = structlog.get_logger(__name__)

T = TypeVar("T")


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
Name = Annotated[str, AfterValidator(_printable)]


@dataclass(frozen=True, slots=True)
class Actor:
    """Who changes something, and from where."""

    role: str
    peer: str

    def did(self, event: str, **what: object) -> None:
        """A line of the audit trail (R-AD-06); passwords are never in `what`."""
        log.info(event, audit=True, by=self.role, peer=self.peer, **what)


async def _actor(request: Request, role: Annotated[Role, Depends(require(Role.ADMIN))]) -> Actor:
    return Actor(role.value, request.client.host if request.client else "")


def _match(if_match: Annotated[str | None, Header(description="ETag of the version to change")] = None) -> Match:
    """RFC 9110 13.1.1: any of the entity tags, or `*`; weak ones never match."""
    if if_match is None or if_match.strip() == "*":
        return None
    tags = {tag.strip() for tag in if_match.split(",")}
    return lambda version: f'"{version}"' in tags


AsAdmin = Annotated[Actor, Depends(_actor)]
IfMatch = Annotated[Match, Depends(_match)]
Key = Annotated[str | None, Header(alias="Idempotency-Key", description="Repeating it repeats the answer only.")]
Limit = Annotated[int, Query(ge=1, le=200, description="Most items of a page.")]
After = Annotated[str, Query(max_length=512, description="`next` of the page before.")]


def once(key: str | None, operation: str, body: BaseModel) -> Once | None:
    """The idempotency key of a request. Passwords are masked in the JSON that is digested."""
    if key is None:
        return None
    if not 1 <= len(key) <= 255 or not key.isprintable():
        raise Unfit("an Idempotency-Key has 1 to 255 printable characters")
    return Once(f"{operation} {key}", sha256(body.model_dump_json().encode()).hexdigest())


def tag(response: Response, version: int) -> None:
    """The ETag of what is answered."""
    response.headers["ETag"] = f'"{version}"'


def locate(response: Response, collection: str, name: str) -> None:
    """The Location of what was made; an address may have any character of Unicode."""
    response.headers["Location"] = f"/v1/{collection}/{quote(name, safe='@')}"


def page_of(items: Sequence[T], limit: int, key: Callable[[T], str]) -> str | None:
    """The cursor behind `items`; None when there were fewer than `limit`."""
    return key(items[-1]) if len(items) == limit else None

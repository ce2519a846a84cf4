"""Shared parts of requests to the directory: caller, preconditions, idempotency keys, ETags, audit trail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated
from urllib.parse import quote

import structlog
from fastapi import Depends, Query, Request, Response

from libs.http import ADMIN, Idempotency, IfMatch, Once, entity_tag, require
from libs.http.names import DomainName, PrintableText
from services.router.domain.records import DirectoryRecord
from services.router.ports import Match

log = structlog.get_logger(__name__)

# Of so few characters that a query of as many words stays cheap.
SearchText = Annotated[
    PrintableText | None,
    Query(
        alias="q",
        max_length=100,
        description="Only what has each of these words as part of a searched member, in upper or lower case.",
    ),
]
OfDomain = Annotated[DomainName | None, Query(description="Of this domain only.")]


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request of an administrator, and the answer to it."""

    role: str
    peer: str
    response: Response

    def did(self, event: str, **what: object) -> None:
        """Write a line of the audit trail; passwords are never in `what`."""
        log.info(event, audit=True, by=self.role, peer=self.peer, **what)

    def locate(self, collection: str, name: str) -> None:
        """Set the Location of the created resource; an address may have any character of Unicode."""
        self.response.headers["Location"] = f"/v1/{collection}/{quote(name, safe='@')}"

    def tag(self, record: DirectoryRecord) -> None:
        """Set the ETag of the answer."""
        self.response.headers["ETag"] = tag_of(record)


@dataclass(frozen=True, slots=True)
class Creation(Exchange):
    """A creation, with its Idempotency-Key."""

    once: Once | None


@dataclass(frozen=True, slots=True)
class RecordEdit(Exchange):
    """A change, with its precondition (If-Match)."""

    match: Match


async def _read(request: Request, response: Response, caller: Annotated[str, Depends(require(ADMIN))]) -> Exchange:
    return Exchange(caller, request.client.host if request.client else "", response)


async def _creation(asked: Annotated[Exchange, Depends(_read)], once: Idempotency) -> Creation:
    return Creation(asked.role, asked.peer, asked.response, once)


async def _edit(asked: Annotated[Exchange, Depends(_read)], if_match: IfMatch) -> RecordEdit:
    match: Match = (lambda record: if_match.holds(tag_of(record))) if if_match.tags is not None else None
    return RecordEdit(asked.role, asked.peer, asked.response, match)


def tag_of(record: DirectoryRecord) -> str:
    """Return the ETag of a record; it does not depend on counters."""
    return entity_tag(record.version, record.birth)


Reading = Annotated[Exchange, Depends(_read)]
Creating = Annotated[Creation, Depends(_creation)]
Editing = Annotated[RecordEdit, Depends(_edit)]

"""The HTTP face of dead letters, the same in every service that consumes a queue."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, Field

from libs.bus import Bus, DeadLetter
from libs.bus.listening import EVENT_HEADER
from libs.envelope import Envelope, Malformed, decode
from libs.http import ADMIN, After, Cursor, Page, Problem, require


class DeadLetterView(BaseModel):
    """A dead letter as the operator sees it; `envelope` is null when the frame cannot be read, or is an event."""

    id: str = Field(description="QUEUE:ID")
    queue: str
    reason: str
    died_at: datetime
    attempts: int
    size_bytes: int = Field(description="Of the frame: a large message itself is in the blob store.")
    event: str | None = Field(description="Name of the event, null for a message.")
    envelope: Envelope | None


def dead_letter_routes(bus: Bus, queues: Sequence[str]) -> APIRouter:
    """List, replay and purge the dead letters of `queues`. Ids are `QUEUE:ID`."""
    router = APIRouter(prefix="/v1/dead-letters", tags=["dead letters"], dependencies=[Depends(require(ADMIN))])

    cursor = Cursor("dead-letters", (str, str))

    @router.get("", summary="Messages that this service gave up, oldest first, queue by queue")
    async def listing(after: After = None, limit: Annotated[int, Query(ge=1, le=100)] = 50) -> Page[DeadLetterView]:
        start, last = cursor.read(after) or (queues[0], "")
        _known(queues, start)
        for queue in queues[queues.index(start) :]:
            found = await bus.dead_letters(queue, after=last or None, limit=limit)
            if found:
                more = cursor.write(queue, found[-1].id) if len(found) == limit or queue != queues[-1] else None
                return Page(items=[_view(letter) for letter in found], next=more)
            last = ""
        return Page(items=[], next=None)

    @router.post("/{id}/replay", summary="Back to its queue, as a first attempt")
    async def replay(id: str) -> dict[str, str]:
        queue, _, key = id.partition(":")
        _known(queues, queue)
        if not await bus.replay(queue, key):
            raise Problem(404, "there is no such dead letter")
        return {"id": id, "queue": queue}

    @router.delete("/{id}", status_code=204, summary="Delete it for ever")
    async def purge(id: str) -> Response:
        queue, _, key = id.partition(":")
        _known(queues, queue)
        if not await bus.purge(queue, key):
            raise Problem(404, "there is no such dead letter")
        return Response(status_code=204)

    return router


def _known(queues: Sequence[str], queue: str) -> None:
    if queue not in queues:
        raise Problem(404, "there is no such dead letter")


def _view(letter: DeadLetter) -> DeadLetterView:
    try:
        envelope = decode(letter.body).envelope
    except Malformed:
        envelope = None
    return DeadLetterView(
        id=f"{letter.queue}:{letter.id}",
        queue=letter.queue,
        reason=letter.reason,
        died_at=letter.died_at,
        attempts=letter.attempts,
        size_bytes=len(letter.body),
        event=letter.headers.get(EVENT_HEADER),
        envelope=envelope,
    )

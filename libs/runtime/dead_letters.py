"""The HTTP face of dead letters, the same in every service that consumes a queue."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

import structlog
from fastapi import APIRouter, Depends, Path, Response
from pydantic import BaseModel, Field

from libs.bus import Bus, DeadLetter
from libs.bus.subscribers import EVENT_HEADER
from libs.envelope import Envelope, Malformed, decode
from libs.http import ADMIN, After, Cursor, Page, PageLimit, Problem, RequestBody, require
from libs.http.names import Moment
from libs.http.requests import example

log = structlog.get_logger(__name__)

# Per second: replayed messages are work for all later stages, beside the mail of today.
REPLAYED_PER_SECOND = 200.0


class ReplayRequest(RequestBody):
    """Which dead letters go back to their queue; all conditions that are given must hold."""

    model_config = example({"queue": "mail.router", "reason": "no answer", "limit": 1000})

    queue: str = Field(description="One of the queues of this service.")
    reason: str = Field("", max_length=1000, description="Text in the reason; empty: any.")
    event: str = Field("", max_length=100, description="Name of the event; empty: messages and any event.")
    since: Moment | None = Field(None, description="At or after this moment.")
    until: Moment | None = Field(None, description="Before this moment.")
    limit: int = Field(1000, ge=1, le=2000, description="At most so many, oldest first, in about limit / 200 seconds.")

    def matches(self, letter: DeadLetter) -> bool:
        return (
            self.reason in letter.reason
            and self.event in ("", letter.headers.get(EVENT_HEADER))
            and (self.since is None or letter.died_at >= self.since)
            and (self.until is None or letter.died_at < self.until)
        )


class ReplayedView(BaseModel):
    """A dead letter that was returned to its queue."""

    id: str = Field(description="Id of the dead letter.")
    queue: str = Field(description="The queue.")


class ReplayResult(BaseModel):
    """`more`: others that match may be left; ask again until it is false."""

    queue: str = Field(description="The queue.")
    replayed: int = Field(description="Number of dead letters that were returned.")
    more: bool = Field(description="Whether more dead letters may match; repeat the call until it is false.")


class DeadLetterView(BaseModel):
    """A dead letter as the operator sees it; `envelope` is null when the frame cannot be read, or is an event."""

    id: str = Field(description="QUEUE:ID")
    queue: str = Field(description="Queue in which it was.")
    reason: str = Field(description="Why the service gave it up.")
    died_at: datetime = Field(description="When the service gave it up.")
    attempts: int = Field(description="Number of attempts before.")
    size_bytes: int = Field(description="Of the frame: a large message itself is in the blob store.")
    event: str | None = Field(description="Name of the event, null for a message.")
    envelope: Envelope | None = Field(
        description="Envelope of the message; null for an event, and for a frame that cannot be read."
    )


def dead_letter_routes(bus: Bus, queues: Sequence[str]) -> APIRouter:
    """List, replay and purge the dead letters of `queues`. Ids are `QUEUE:ID`."""
    router = APIRouter(prefix="/v1/dead-letters", tags=["dead letters"], dependencies=[Depends(require(ADMIN))])

    cursor = Cursor("dead-letters", (str, str))

    @router.get("", summary="List dead letters")
    async def list_dead_letters(after: After = None, limit: PageLimit = 50) -> Page[DeadLetterView]:
        """Messages and events that this service gave up, oldest first, queue by queue."""
        start, last = cursor.read(after) or (queues[0], "")
        if start not in queues:
            raise Problem(422, "after is of a queue that this service has no more")
        for queue in queues[queues.index(start) :]:
            found = await bus.dead_letters(queue, after=last or None, limit=limit)
            if found:
                more = len(found) == limit or queue != queues[-1]
                following = cursor.write(queue, found[-1].id) if more else None
                return Page(items=[_view(letter) for letter in found], next=following)
            last = ""
        return Page(items=[], next=None)

    @router.post("/replay", summary="Replay many dead letters")
    async def replay_dead_letters(wanted: ReplayRequest) -> ReplayResult:
        """Bounded and rate limited. Asked again, it goes on with what is left; what went back is no dead letter."""
        _known(queues, wanted.queue)
        done = await bus.replay_many(wanted.queue, wanted.matches, limit=wanted.limit, per_second=REPLAYED_PER_SECOND)
        log.info("dead_letters_replayed", queue=wanted.queue, count=done.count)
        return ReplayResult(queue=wanted.queue, replayed=done.count, more=done.more)

    @router.post("/{id}/replay", summary="Replay a dead letter")
    async def replay_dead_letter(
        id: Annotated[str, Path(description="Id of the dead letter, `QUEUE:ID`.")],
    ) -> ReplayedView:
        """Returns a dead letter to its queue, as a first attempt."""
        queue, _, key = id.partition(":")
        _known(queues, queue)
        if not await bus.replay(queue, key):
            raise Problem(404, "there is no such dead letter")
        return ReplayedView(id=id, queue=queue)

    @router.delete("/{id}", status_code=204, summary="Delete a dead letter")
    async def delete_dead_letter(
        id: Annotated[str, Path(description="Id of the dead letter, `QUEUE:ID`.")],
    ) -> Response:
        """Deletes a dead letter for ever; the mail in it is lost."""
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

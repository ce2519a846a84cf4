"""Keeps the blobs of dead letters from the collector, which deletes blobs that are not touched for long."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import structlog

from libs.blobs import Blobs, Missing
from libs.bus import Bus
from libs.bus.ports import DeadLetter
from libs.envelope import Malformed, Temporary, decode

log = structlog.get_logger(__name__)

# Far below the age at which the collector takes a blob (`blob_keep` of store), so that missed rounds do no harm.
PERIOD = timedelta(hours=12)
PAGE = 200


async def keep_dead_letter_blobs(bus: Bus, blobs: Blobs, queues: Sequence[str]) -> None:
    """Hold the blobs of the dead letters of `queues`, to be done each `PERIOD`. Raises `Temporary`.

    A queue that cannot be read does not stop the others.
    """
    late: Temporary | None = None
    for queue in queues:
        try:
            await _touch_all(bus, blobs, queue)
        except Temporary as error:
            log.warning("dead_letter_blobs_not_refreshed", queue=queue, reason=error.reason)
            late = error
    if late is not None:
        raise late


async def _touch_all(bus: Bus, blobs: Blobs, queue: str) -> None:
    after: str | None = None
    while page := await bus.dead_letters(queue, after=after, limit=PAGE):
        for letter in page:
            await _touch(blobs, letter)
        if len(page) < PAGE:
            return
        after = page[-1].id


async def _touch(blobs: Blobs, letter: DeadLetter) -> None:
    try:
        blob = decode(letter.body).envelope.blob
        if blob is not None:
            await blobs.hold(blob, letter.queue)
    except Malformed:
        return  # an event, or poison: it has no blob that could be known
    except Missing as error:
        log.error("dead_letter_blob_missing", queue=letter.queue, dead_letter=letter.id, reason=error.reason)

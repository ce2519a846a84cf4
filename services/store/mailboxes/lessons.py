"""Tells antispam what people teach by their moves (R-SPAM-43)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import structlog

from libs.bus import Bus
from libs.envelope import Temporary
from libs.events import JunkMoved
from services.store.mailboxes.junk_moves import taught_by

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Lessons:
    """The move is done already: a lesson that cannot be told is lost, and no reader waits for it."""

    bus: Bus

    async def moved(self, mailbox: str, origins: Mapping[str, str], target: str) -> None:
        """Messages came from the folders `origins` (by id) into the folder `target`."""
        spam, ids = taught_by(origins, target)
        if not ids:
            return
        try:
            await self.bus.emit(JunkMoved(mailbox=mailbox, ids=ids, spam=spam).to_bus())
        except Temporary as error:
            log.warning("lesson_not_told", mailbox=mailbox, messages=len(ids), reason=error.reason)

"""What a move says about a message: into Junk it is spam, back out of it it is not (R-SPAM-43)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import structlog

from libs.bus import Bus
from libs.envelope import Temporary
from libs.events import JunkMoved
from services.store.mailboxes.folders import DRAFTS, JUNK, SENT, TRASH

_OWN = frozenset({DRAFTS, SENT})  # what one wrote oneself teaches nothing


def classify_move(origins: Mapping[str, str], target: str) -> tuple[bool, list[str]]:
    """(spam, ids) of a move or a copy to the folder `target`; `origins` are the folders they came from, by message id.

    What leaves Junk for the trash was spam and stays it. What the filter itself puts into Junk is delivered there, and
    no move.
    """
    if target == JUNK:
        return True, [id for id, folder in origins.items() if folder not in _OWN]
    if target == TRASH or target in _OWN:
        return False, []
    return False, [id for id, folder in origins.items() if folder == JUNK]


log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class JunkFeedback:
    """The move is done already: a lesson that cannot be told is lost, and no reader waits for it."""

    bus: Bus

    async def report_move(self, mailbox: str, origins: Mapping[str, str], target: str) -> None:
        """Messages came from the folders `origins` (by id) into the folder `target`."""
        spam, ids = classify_move(origins, target)
        if not ids:
            return
        try:
            await self.bus.emit(JunkMoved(mailbox=mailbox, ids=ids, spam=spam).to_bus())
        except Temporary as error:
            log.warning("junk_feedback_lost", mailbox=mailbox, messages=len(ids), reason=error.reason)

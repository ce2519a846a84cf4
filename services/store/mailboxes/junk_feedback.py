"""Reports moves into and out of Junk to antispam, which learns from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import structlog

from libs.bus import Bus
from libs.envelope import Temporary
from libs.events import JunkMoved
from services.store.mailboxes.folders import DRAFTS, JUNK, SENT, TRASH

log = structlog.get_logger(__name__)
_OWN = frozenset({DRAFTS, SENT})  # the user's own messages are no training samples


def classify_move(origins: Mapping[str, str], target: str) -> tuple[bool, list[str]]:
    """Return (spam, ids) of a move or copy to the folder `target`; `origins` are the source folders by message id.

    A move into Junk means spam, a move out of Junk means ham. A message that leaves Junk for Trash stays spam. Mail
    that the filter itself puts into Junk is delivered there, not moved.
    """
    if target == JUNK:
        return True, [id for id, folder in origins.items() if folder not in _OWN]
    if target == TRASH or target in _OWN:
        return False, []
    return False, [id for id, folder in origins.items() if folder == JUNK]


@dataclass(frozen=True, slots=True)
class JunkFeedback:
    """The move is done already: feedback that cannot be emitted is lost, and no client waits for it."""

    bus: Bus

    async def report_move(self, mailbox: str, origins: Mapping[str, str], target: str) -> None:
        """Report that messages came from the folders `origins` (by id) into the folder `target`."""
        spam, ids = classify_move(origins, target)
        if not ids:
            return
        try:
            await self.bus.emit(JunkMoved(mailbox=mailbox, ids=ids, spam=spam).to_bus())
        except Temporary as error:
            log.warning("junk_feedback_lost", mailbox=mailbox, messages=len(ids), reason=error.reason)

"""What a move says about a message: into Junk it is spam, back out of it it is not (R-SPAM-43)."""

from __future__ import annotations

from collections.abc import Mapping

from services.store.mailboxes.folders import DRAFTS, JUNK, SENT, TRASH

_OWN = frozenset({DRAFTS, SENT})  # what one wrote oneself teaches nothing


def taught_by(origins: Mapping[str, str], target: str) -> tuple[bool, list[str]]:
    """(spam, ids) of a move or a copy to the folder `target`; `origins` are the folders they came from, by message id.

    What leaves Junk for the trash was spam and stays it. What the filter itself puts into Junk is delivered there, and
    no move.
    """
    if target == JUNK:
        return True, [id for id, folder in origins.items() if folder not in _OWN]
    if target == TRASH or target in _OWN:
        return False, []
    return False, [id for id, folder in origins.items() if folder == JUNK]

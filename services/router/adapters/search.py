"""Searches of the directory by words."""

from __future__ import annotations

import re
from typing import Any, Final

from services.router.domain.records import Kind

FIELDS: Final[dict[Kind, tuple[str, ...]]] = {
    "account": ("_id", "account.official_address", "account.login", "account.surname", "account.given_names"),
    "alias": ("_id", "targets"),
    "forward": ("_id", "targets"),
}


def matching(text: str | None, *fields: str) -> dict[str, Any]:
    """The query for documents in which every word of `text` is part of one of `fields`, in upper or lower case.

    A part of a word has no index of its own. The query goes with the index that has the order of the list, which
    reads no more than one page of hits needs; the address itself is compared in the index.
    """
    words = (text or "").split()
    if not words:
        return {}
    return {"$and": [{"$or": [{field: _part(word)} for field in fields]} for word in words]}


def _part(word: str) -> dict[str, str]:
    return {"$regex": re.escape(word), "$options": "i"}

"""What the resources of all services share: pages, versions, keys of repeated calls, and answers to creations.

Each piece has its module; routes import them from here or from `libs.http`.
"""

from __future__ import annotations

from urllib.parse import quote

from fastapi import Response

from libs.http.idempotency import Idempotency, IdempotencyKey, KeyMisused, MadeAndGone, Once, once_of
from libs.http.pages import After, Cursor, Page, PageLimit
from libs.http.preconditions import IfMatch, Precondition, birth_mark, entity_tag
from libs.http.problems import Problem

__all__ = [
    "After",
    "Cursor",
    "Idempotency",
    "IdempotencyKey",
    "IfMatch",
    "KeyMisused",
    "MadeAndGone",
    "Once",
    "Page",
    "PageLimit",
    "Precondition",
    "Problem",
    "birth_mark",
    "created",
    "entity_tag",
    "once_of",
]


def created(response: Response, collection: str, name: str, *, is_new: bool = True) -> None:
    """Answer 201, or 200 where it was there already, with the Location of `name` in `collection` (RFC 9110 15.3.2)."""
    response.status_code = 201 if is_new else 200
    response.headers["Location"] = f"{collection}/{quote(name, safe='@:')}"

"""Cursor pagination: a page of items and where the next one starts."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2s
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Query
from pydantic import BaseModel, Field

from libs.http.problems import Problem
from libs.http.requests import GREATEST_INTEGER, LEAST_INTEGER

T = TypeVar("T")

_CHECK_OCTETS = 4
MAX_CURSOR_CHARACTERS = 4096

After = Annotated[
    str | None, Query(max_length=MAX_CURSOR_CHARACTERS, description="`next` of the page before; not given: the first.")
]
MAX_PAGE_ITEMS = 200
PageLimit = Annotated[int, Query(ge=1, le=MAX_PAGE_ITEMS, description="Most items of the page.")]


class Page(BaseModel, Generic[T]):
    """`next` is given back as the query parameter `after`; null on the last page."""

    items: list[T] = Field(description="The items of this page.")
    next: str | None = Field(None, description="Cursor of the next page, null on the last.")


@dataclass(frozen=True, slots=True)
class Cursor:
    """The cursors of one listing: the place of the last item of a page, as values of `kinds`.

    A cursor is opaque, and checked: what was not made for this listing is refused and not taken for a place.
    """

    listing: str
    kinds: tuple[type[int] | type[str], ...] = (str,)

    def write(self, *place: int | str) -> str:
        octets = json.dumps(place, ensure_ascii=False, separators=(",", ":")).encode()
        return urlsafe_b64encode(self._check(octets) + octets).decode().rstrip("=")

    def read(self, after: str | None) -> tuple[Any, ...] | None:
        """The place that `write` was given; None for the first page. Raises `Problem` 422."""
        if not after:
            return None
        place = self._place(after)
        if place is None or [type(value) for value in place] != list(self.kinds):
            raise Problem(422, "after is no cursor of this list: give back the next of the page before, as it is")
        return tuple(place)

    def text(self, after: str | None) -> str:
        """The place of a listing whose only kind is a text; empty for the first page. Raises `Problem` 422."""
        place = self.read(after)
        return str(place[0]) if place else ""

    def number(self, after: str | None) -> int | None:
        """The place of a listing whose only kind is a number; None for the first page. Raises `Problem` 422."""
        place = self.read(after)
        return int(place[0]) if place else None

    def behind(self, items: Sequence[T], limit: int, place: Callable[[T], int | str]) -> str | None:
        """The cursor behind `items`; None when there were fewer than `limit`."""
        return self.write(place(items[-1])) if len(items) >= limit else None

    def _place(self, after: str) -> list[Any] | None:
        try:
            octets = urlsafe_b64decode(after + "=" * (-len(after) % 4))
            check, text = octets[:_CHECK_OCTETS], octets[_CHECK_OCTETS:]
            place = json.loads(text) if check == self._check(text) else None
        except (ValueError, RecursionError):
            return None
        fits = isinstance(place, list) and not any(
            isinstance(value, int) and not LEAST_INTEGER <= value <= GREATEST_INTEGER for value in place
        )
        return place if fits else None

    def _check(self, octets: bytes) -> bytes:
        return blake2s(octets, digest_size=_CHECK_OCTETS, person=self.listing.encode()[:8]).digest()

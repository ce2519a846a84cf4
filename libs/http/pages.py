"""Cursor pagination: a page of items and where the next one starts."""

from __future__ import annotations

from typing import Generic, TypeVar

from pydantic import BaseModel, Field

T = TypeVar("T")


class Page(BaseModel, Generic[T]):
    """`next` is given back as the query parameter `after`; null on the last page."""

    items: list[T]
    next: str | None = Field(None, description="Cursor of the next page, null on the last.")

"""Fingerprints of images known from spam, in MongoDB."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from libs.mongo import DuplicateKey, mongo_errors


@dataclass(frozen=True, slots=True)
class KnownImage:
    """`fingerprint` in 16 hex digits; `scope` is a hosted domain or `default`."""

    id: str
    scope: str
    fingerprint: str
    comment: str
    created_at: datetime


class MongoKnownImages:
    """`images`: {_id, scope, fingerprint, comment, created_at}; a fingerprint stands once in a scope."""

    def __init__(self, database: Any) -> None:
        self._images = database["images"]

    async def prepare(self) -> None:
        """Create the indexes. Raises `Temporary`."""
        with mongo_errors("images"):
            await self._images.create_index([("scope", 1), ("fingerprint", 1)], unique=True)

    async def add(self, image: KnownImage) -> KnownImage:
        """Store the image and return it, or the entry that is there already. Raises `Temporary`."""
        fields = {name: getattr(image, name) for name in _FIELDS}
        with mongo_errors("images"):
            try:
                await self._images.insert_one({"_id": image.id, **fields})
            except DuplicateKey:
                same = {"scope": image.scope, "fingerprint": image.fingerprint}
                found = await self._images.find_one_and_update(
                    same, {"$set": {"comment": image.comment}}, return_document=True
                )
                return _image(found) if found else await self.add(image)
        return image

    async def page(self, scope: str, *, after: str, limit: int) -> Sequence[KnownImage]:
        """Read a page in the order of fingerprints, behind `after`. Raises `Temporary`."""
        wanted = {"scope": scope, "fingerprint": {"$gt": after}}
        with mongo_errors("images"):
            found = self._images.find(wanted).sort("fingerprint", 1).limit(limit)
            return [_image(document) async for document in found]

    async def get(self, id: str) -> KnownImage | None:
        """Read the entry; None if there is none. Raises `Temporary`."""
        with mongo_errors("images"):
            found = await self._images.find_one({"_id": id})
        return _image(found) if found else None

    async def delete(self, id: str) -> KnownImage | None:
        """Delete the entry and return it; None if there is none. Raises `Temporary`."""
        with mongo_errors("images"):
            found = await self._images.find_one_and_delete({"_id": id})
        return _image(found) if found else None


_FIELDS = ("scope", "fingerprint", "comment", "created_at")


def _image(document: dict[str, Any]) -> KnownImage:
    return KnownImage(document["_id"], *(document[name] for name in _FIELDS))

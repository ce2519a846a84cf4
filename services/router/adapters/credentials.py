"""Password hashes in MongoDB. They are written with the account, by `addresses`."""

from __future__ import annotations

from typing import Any

from libs.mongo import mongo_errors


class MongoCredentials:
    """Password hashes, apart from everything else so that none leaves by accident."""

    def __init__(self, database: Any) -> None:
        self._credentials = database["credentials"]

    async def hash_of(self, account: str) -> str | None:
        with mongo_errors("read credentials"):
            found = await self._credentials.find_one({"_id": account}, {"hash": 1})
        return str(found["hash"]) if found else None

    async def renew(self, account: str, old: str, new: str) -> None:
        """Store the same password under stronger parameters, unless it was changed meanwhile."""
        with mongo_errors("renew credentials"):
            await self._credentials.update_one({"_id": account, "hash": old}, {"$set": {"hash": new}})

"""What tests do to a database and the product never does."""

from __future__ import annotations

from libs.mongo import Mongo


async def drop_all(mongo: Mongo) -> None:
    """Delete every database of `mongo`, by its prefix."""
    assert mongo._prefix, "without a prefix this would delete everything"
    for name in await mongo._client.list_database_names():
        if name.startswith(mongo._prefix):
            await mongo._client.drop_database(name)

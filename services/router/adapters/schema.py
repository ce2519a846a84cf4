"""The collections of the router and what keeps them right.

    domains      _id: name of a main or alias domain
    addresses    _id: canonical address; an account, an alias or a forward, never two of them
    credentials  _id: account; hash
    counters     _id: account-name prefix; value: the last number given
    events       _id: time-ordered; facts that wait for the bus, written in the transaction of the change
    idempotency  _id: operation and key; fingerprint, result, expires_at

Every change of an address also touches the document of its domain in the same transaction: two changes that could
contradict each other (the last free account, a domain being deleted) meet there and one of them is done again.
"""

from __future__ import annotations

from typing import Any

from libs.mongo import mongo_errors


async def create_indexes(database: Any) -> None:
    """Idempotent. Raises `Temporary`."""
    addresses = database["addresses"]
    with mongo_errors("router indexes"):
        await addresses.create_index("account.login", unique=True, partialFilterExpression={"kind": "account"})
        await addresses.create_index([("kind", 1), ("_id", 1)])
        await addresses.create_index([("domain", 1), ("kind", 1), ("_id", 1)])
        await addresses.create_index([("domain", 1), ("kind", 1), ("created_at", 1)])
        await addresses.create_index("targets")
        await addresses.create_index("owner", partialFilterExpression={"owner": {"$type": "string"}})
        await database["domains"].create_index("alias_of")
        await database["domains"].create_index("created_at")
        await database["events"].create_index("name")
        await database["credentials"].create_index("changed_at")
        await database["idempotency"].create_index("expires_at", expireAfterSeconds=0)

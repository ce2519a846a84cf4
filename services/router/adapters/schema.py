"""The collections of the router and what keeps them right.

    domains      _id: name of a main or alias domain
    addresses    _id: canonical address; an account, an alias or a forward, never two of them
    credentials  _id: account; hash
    counters     _id: account-name prefix; value: the last number given
    events       _id: time-ordered; facts that wait for the bus, written in the transaction of the change; name,
                 payload, about: the address of the fact, if it has one; set_aside?: why it can never be emitted
    departed     _id: account that is gone; deleted_at, expires_at
    idempotency  see `libs.http.keys`

Every change of an address also touches the document of its domain in the same transaction: two changes that could
contradict each other (the last free account, a domain being deleted) meet there and one of them is done again.
"""

from __future__ import annotations

from typing import Any

from libs.mongo import IndexModel, mongo_errors

INDEXES = {
    "addresses": [
        IndexModel("account.login", unique=True, partialFilterExpression={"kind": "account"}),
        IndexModel([("kind", 1), ("_id", 1)]),
        IndexModel([("domain", 1), ("kind", 1), ("_id", 1)]),
        IndexModel([("domain", 1), ("kind", 1), ("created_at", 1)]),
        IndexModel("targets"),
        IndexModel("owner", partialFilterExpression={"owner": {"$type": "string"}}),
    ],
    "domains": [IndexModel("alias_of"), IndexModel("created_at")],
    "events": [IndexModel("name")],
    "departed": [IndexModel("expires_at", expireAfterSeconds=0)],
    "credentials": [IndexModel("changed_at")],  # makes the collection, so that no transaction has to
}


async def create_indexes(database: Any) -> None:
    """Idempotent. Raises `Temporary`."""
    with mongo_errors("router indexes"):
        for collection, indexes in INDEXES.items():
            await database[collection].create_indexes(indexes)

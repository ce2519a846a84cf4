"""One client for each process. Writes are w:majority and journaled: an acknowledged message must not be lost."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, TypeVar

from pymongo import AsyncMongoClient, ReadPreference, WriteConcern
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import PyMongoError
from pymongo.read_concern import ReadConcern

from libs.envelope import Temporary
from libs.mongo.errors import is_conflict, mongo_errors

Database = AsyncDatabase[dict[str, Any]]
Collection = AsyncCollection[dict[str, Any]]
Session = AsyncClientSession
T = TypeVar("T")

_COMMIT_TRIES = 3
_PATIENCE = timedelta(seconds=15)
_FIRST_PAUSE, _LONGEST_PAUSE = 0.002, 0.25


class Mongo:
    """A connection to one MongoDB, from which each service takes its own database."""

    def __init__(
        self,
        url: str,
        *,
        prefix: str,
        deadline: timedelta = _PATIENCE,
        revive: Callable[[], Awaitable[bool]] | None = None,
        kill: Callable[[], None] | None = None,
    ) -> None:
        """`revive` starts a server of our own again when it has ended, and says whether it had; `kill` kills it."""
        milliseconds = int(deadline.total_seconds() * 1000)
        self._prefix = prefix
        self._deadline = deadline
        self._revive = revive
        self._kill = kill
        self._client: Any = AsyncMongoClient(
            url,
            w="majority",
            journal=True,
            tz_aware=True,
            retryWrites=True,
            wTimeoutMS=milliseconds,
            timeoutMS=milliseconds,
            serverSelectionTimeoutMS=min(milliseconds, 5000),
            connectTimeoutMS=5000,
            maxPoolSize=50,
            appname="facteur",
        )

    def database(self, service: str) -> Any:
        """The database of `service`."""
        return self._client[f"{self._prefix}{service}"]

    async def check(self) -> None:
        """Raises `Temporary` when no primary answers."""
        with mongo_errors("ping"):
            await self._client.admin.command("ping")

    async def revive(self) -> bool:
        """Restart the server if it is a child process and has ended. Raises `Temporary` when that fails."""
        return self._revive is not None and await self._revive()

    def kill_server(self) -> None:
        """Kill the server if it is a child process; safe in any thread."""
        if self._kill is not None:
            self._kill()

    async def transaction(self, work: Callable[[Any], Awaitable[T]]) -> T:
        """Run `work(session)` in a transaction; again from its start on a write conflict. See `in_transaction`."""
        return await in_transaction(self._client, work, patience=self._deadline)

    async def close(self) -> None:
        """Close all connections."""
        await self._client.close()


async def in_transaction(client: Any, work: Callable[[Any], Awaitable[T]], *, patience: timedelta = _PATIENCE) -> T:
    """`work` may run several times and must touch nothing but the database. Raises `Temporary`, `DuplicateKey`.

    It starts anew after a conflict, but not once `patience` is over: an outage looks like a conflict too. Time counts
    and not tries: of many who change one mailbox, one may well lose twenty times within two seconds. After a
    `Temporary` at the commit itself the work may have been done.
    """
    async with client.start_session() as session:
        end, pause = time.monotonic() + patience.total_seconds(), _FIRST_PAUSE
        while True:
            try:
                with mongo_errors("transaction"):
                    async with await session.start_transaction(
                        read_concern=ReadConcern("snapshot"),
                        write_concern=WriteConcern("majority", j=True),
                        read_preference=ReadPreference.PRIMARY,
                    ):
                        result = await work(session)
                        await _commit(session)
                    return result
            except Temporary as error:
                if not is_conflict(error) or time.monotonic() > end:
                    raise
            # Without a random pause the same transactions conflict again.
            await asyncio.sleep(random.uniform(0, pause))
            pause = min(2 * pause, _LONGEST_PAUSE)


async def _commit(session: Any) -> None:
    """Commit; a repeated commit does no harm, and returns the outcome of the first one."""
    for _ in range(_COMMIT_TRIES - 1):
        try:
            await session.commit_transaction()
            return
        except PyMongoError as error:
            if not error.has_error_label("UnknownTransactionCommitResult"):
                raise
    await session.commit_transaction()

"""Changes of the directory: the documents, their events and the Idempotency-Key, in one transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from typing import Any, TypeVar

from pydantic import BaseModel

from libs.envelope import new_id
from libs.events import Fact
from libs.http import MongoKeys, Once
from libs.http.idempotency import MadeAndGone
from libs.mongo import DuplicateKey, Mongo

M = TypeVar("M", bound=BaseModel)


class DirectoryChange:
    """A transaction in progress. Collections are used with its `session`."""

    def __init__(self, database: Any, session: Any, now: datetime) -> None:
        self.database = database
        self.session = session
        self.now = now
        self.facts: list[Fact] = []

    def tell(self, *facts: Fact) -> None:
        """To be emitted when, and only when, the change has happened."""
        self.facts += facts


class DirectoryChanges:
    """Runs changes. `changed` is called with the events of each one that was committed here."""

    def __init__(
        self,
        mongo: Mongo,
        database: Any,
        clock: Callable[[], datetime],
        *,
        keys: MongoKeys,
        changed: Callable[[Iterable[Fact]], None],
    ) -> None:
        self._mongo = mongo
        self._database = database
        self._clock = clock
        self._keys = keys
        self._changed = changed
        # Changes of one replica would only meet in conflicts; in a row each goes through at once.
        self._turn = asyncio.Lock()

    async def run(
        self,
        kind: type[M],
        work: Callable[[DirectoryChange], Awaitable[M]],
        *,
        once: Once | None = None,
        remains: Callable[[M], Awaitable[bool]] | None = None,
    ) -> M:
        """Return the result of `work`; with a known key, the result of the first time if its record `remains`.

        Raises `Temporary`, `DuplicateKey` and the refusals of `work`; then nothing has changed. After a `Temporary`
        at the commit itself the change may be there: a repetition with the same key returns the result.
        """
        facts: list[Fact] = []

        async def transaction(session: Any) -> M:
            change = DirectoryChange(self._database, session, self._clock())
            result = await work(change)
            await self._write_events(change)
            if once:
                await self._keys.write(once, result.model_dump_json(), now=change.now, session=session)
            facts[:] = change.facts
            return result

        async with self._turn:
            if once and (done := await self._result(kind, once, remains)):
                return done
            try:
                result = await self._mongo.transaction(transaction)
            except DuplicateKey:
                if once and (done := await self._result(kind, once, remains)):
                    return done  # the same request, at the same time in another replica
                raise
        self._changed(facts)
        return result

    async def _result(self, kind: type[M], once: Once, remains: Callable[[M], Awaitable[bool]] | None) -> M | None:
        """Raises `KeyMisused`, `MadeAndGone`."""
        kept = await self._keys.find(once)
        if kept is None:
            return None
        result = kind.model_validate_json(kept.result)
        if remains is not None and not await remains(result):
            raise MadeAndGone
        return result

    async def _write_events(self, change: DirectoryChange) -> None:
        documents = [
            {"_id": new_id(change.now), "name": event.name, "payload": event.payload, "about": address}
            for event, address in ((fact.to_bus(), getattr(fact, "address", "")) for fact in change.facts)
        ]
        if documents:
            await self._database["events"].insert_many(documents, session=change.session)

"""The database of embedded mode is a child of ours: watched, and started again when it ends."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta

import structlog

from libs.envelope import Temporary
from libs.mongo import Mongo
from libs.runtime.periodic import MustEnd, Periodic, Rounds
from libs.telemetry import Metrics

log = structlog.get_logger(__name__)

LOOK = timedelta(seconds=0.5)
# So long a disk may be full. A supervisor that sees the process end can do more than a process that goes on without.
PATIENCE = timedelta(minutes=10)


async def database_rounds(mongo: Mongo, metrics: Metrics, must_end: Callable[[str], None]) -> None:
    """Until it is cancelled, or the server cannot be started for long: `must_end` is then told why."""
    revival = Revival(mongo, metrics)
    try:
        await Rounds(Periodic("embedded database", revival.look, LOOK), metrics).run()
    except MustEnd as error:
        log.error("database_must_end", reason=str(error))
        must_end(str(error))


class Revival:
    """Rounds that look whether the server runs."""

    def __init__(self, mongo: Mongo, metrics: Metrics, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._mongo = mongo
        self._clock = clock
        self._gone_since: float | None = None
        self._restarts = metrics.counter("facteur_embedded_database_restarts", "Starts of a mongod that had ended.")

    async def look(self) -> None:
        """Raises `Temporary` when the server cannot be started now, `MustEnd` when it could not for long."""
        try:
            if await self._mongo.revive():
                self._restarts.inc()
                log.warning("database_started_again")
        except Temporary as error:
            now = self._clock()
            self._gone_since = now if self._gone_since is None else self._gone_since
            if now - self._gone_since > PATIENCE.total_seconds():
                raise MustEnd(f"the embedded MongoDB cannot be started: {error.reason}") from error
            raise
        self._gone_since = None

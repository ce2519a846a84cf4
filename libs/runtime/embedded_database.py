"""The database of embedded mode is a child process: it is watched, and started again when it ends."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta

import structlog

from libs.envelope import Temporary
from libs.mongo import Mongo
from libs.runtime.periodic import MustEnd, Periodic, PeriodicRunner
from libs.telemetry import Metrics

log = structlog.get_logger(__name__)

CHECK_PERIOD = timedelta(seconds=0.5)
# A disk may be full for so long. Then the process exits: its supervisor can do more than a process without a database.
GIVE_UP_AFTER = timedelta(minutes=10)


async def supervise_database(mongo: Mongo, metrics: Metrics, must_end: Callable[[str], None]) -> None:
    """Run until cancelled, or until the server could not be started for long: then call `must_end` with the reason."""
    supervisor = DatabaseSupervisor(mongo, metrics)
    try:
        await PeriodicRunner(Periodic("embedded_database", supervisor.check, CHECK_PERIOD), metrics).run()
    except MustEnd as error:
        log.error("embedded_database_abandoned", reason=str(error))
        must_end(str(error))


class DatabaseSupervisor:
    """Starts the server again when it has ended; `check` is run periodically."""

    def __init__(self, mongo: Mongo, metrics: Metrics, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._mongo = mongo
        self._clock = clock
        self._gone_since: float | None = None
        self._restarts = metrics.counter("facteur_embedded_database_restarts", "Restarts of the embedded MongoDB.")

    async def check(self) -> None:
        """Raises `Temporary` when the server cannot be started now, `MustEnd` when it could not for long."""
        try:
            if await self._mongo.revive():
                self._restarts.inc()
                log.warning("embedded_database_restarted")
        except Temporary as error:
            now = self._clock()
            self._gone_since = now if self._gone_since is None else self._gone_since
            if now - self._gone_since > GIVE_UP_AFTER.total_seconds():
                raise MustEnd(f"the embedded MongoDB cannot be started: {error.reason}") from error
            raise
        self._gone_since = None

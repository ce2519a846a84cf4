"""A connection that is opened again whenever it is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import structlog

from libs.bus.ports import NotPublished, Refused, Unavailable
from libs.bus.rabbitmq.connection import AmqpConnection
from libs.tasks import cancelled

log = structlog.get_logger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0


class Link:
    """Connects, prepares the connection with `on_up`, watches it, and reconnects when it is lost.

    `patience` bounds the wait of a caller during an outage; in a longer one callers fail at once.
    """

    def __init__(
        self,
        connect: Callable[[], Awaitable[AmqpConnection]],
        on_up: Callable[[AmqpConnection], Awaitable[None]],
        *,
        heartbeat: timedelta,
        patience: timedelta,
    ) -> None:
        self._connect = connect
        self._on_up = on_up
        self._heartbeat = heartbeat.total_seconds()
        self._patience = patience.total_seconds()
        self._loop = asyncio.get_running_loop()
        self._connection: AmqpConnection | None = None
        self._up = asyncio.Event()
        self._usable = asyncio.Event()
        self._unusable_since = self._loop.time()
        self._trouble = "not connected yet"
        self._task = self._loop.create_task(self._run())

    @property
    def usable(self) -> bool:
        """Whether it is connected and the broker accepts messages."""
        return self._usable.is_set()

    async def connection(self) -> AmqpConnection:
        """Wait for a connection, and return it."""
        while self._connection is None:
            await self._up.wait()
        return self._connection

    async def ready(self) -> AmqpConnection:
        """Return the connection if it is usable now or soon. Raises `NotPublished`."""
        left = self._unusable_since + self._patience - self._loop.time()
        if not self.usable and left > 0:
            await asyncio.wait({wait := self._loop.create_task(self._usable.wait())}, timeout=left)
            wait.cancel()
        if self._connection is None or not self.usable:
            raise NotPublished(self._trouble)
        return self._connection

    async def first(self, until: float) -> None:
        """Wait for the first connection until the time `until` of the loop. Raises `Unavailable` with the cause."""
        try:
            async with asyncio.timeout_at(until):
                await self._up.wait()
        except TimeoutError as error:
            raise Unavailable(self._trouble) from error

    async def close(self) -> None:
        await cancelled([self._task])

    async def _run(self) -> None:
        pause = FIRST_PAUSE
        while True:
            connection: AmqpConnection | None = None
            try:
                connection = await self._connect()
                await self._on_up(connection)
                pause = FIRST_PAUSE
                self._came_up(connection)
                await self._watch(connection)
                self._went_down("the connection to the broker is lost")
                continue
            except (Unavailable, Refused) as error:
                self._went_down(error.reason)
                log.warning("broker_connection_failed", reason=error.reason, again_in_seconds=pause)
            except Exception as error:
                # A bug must not leave the process without a connection silently.
                self._went_down(repr(error))
                log.exception("broker_connection_crashed", again_in_seconds=pause)
            finally:
                self._connection = None
                if connection is not None:
                    await connection.close()
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    def _came_up(self, connection: AmqpConnection) -> None:
        connection.demux.on_blocked = self._blocked
        self._connection = connection
        self._up.set()
        self._blocked(connection.demux.blocked)
        log.info("broker_connected")

    def _went_down(self, trouble: str) -> None:
        self._trouble = trouble
        self._connection = None
        self._up.clear()
        self._set_usable(False)

    def _blocked(self, blocked: bool) -> None:
        if blocked:
            self._trouble = "the broker takes no messages now (memory or disk alarm)"
            log.warning("broker_blocked_publishers")
        self._set_usable(not blocked)

    def _set_usable(self, usable: bool) -> None:
        if self.usable and not usable:
            self._unusable_since = self._loop.time()
        if usable:
            self._usable.set()
        else:
            self._usable.clear()

    async def _watch(self, connection: AmqpConnection) -> None:
        """Return when the connection is lost. The broker sends a frame at least every half heartbeat."""
        while not connection.demux.closed.done():
            await asyncio.wait({connection.demux.closed}, timeout=self._heartbeat / 4)
            if self._loop.time() - connection.demux.received_at > self._heartbeat * 1.5:
                log.warning("broker_timed_out", seconds=self._heartbeat * 1.5)
                connection.demux.abort()

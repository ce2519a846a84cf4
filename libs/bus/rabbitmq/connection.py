"""An open connection: that of aio-pika, with the frame demultiplexer on its socket."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from datetime import timedelta
from typing import Any, TypeVar

import aio_pika
import structlog
from aio_pika.abc import AbstractChannel
from aiormq.exceptions import AMQPError, ChannelLockedResource, ChannelNotFoundEntity, ChannelPreconditionFailed
from yarl import URL

from libs.bus.ports import Refused, Unavailable
from libs.bus.rabbitmq.frame_demux import DemuxTransportFactory, FrameDemux

log = structlog.get_logger(__name__)

T = TypeVar("T")

CANCEL_AGAIN = 0.5  # seconds


class DeclaredDifferently(Refused):
    """Raised when a queue exists already, with other arguments."""


class AmqpConnection:
    """`control` declares and queries; the channels that carry mail use `demux`."""

    def __init__(self, driver: aio_pika.Connection, demux: FrameDemux, *, timeout: timedelta) -> None:
        self.demux = demux
        self._driver = driver
        self._timeout = timeout
        transport = driver.transport
        assert transport is not None, "connected"
        self.frame_size: int = transport.connection.connection_tune.frame_max or 131072

    async def control(self, work: Callable[[AbstractChannel], Awaitable[T]]) -> T:
        """Do `work` on a channel of its own. Raises `Unavailable`, `Refused`, `DeclaredDifferently`."""

        async def on_a_channel() -> T:
            async with self._driver.channel(publisher_confirms=False) as channel:
                return await work(channel)

        return await bounded(on_a_channel(), self._timeout)

    async def close(self) -> None:
        self.demux.flush()
        try:
            await bounded(self._driver.close(), self._timeout)
        except (Unavailable, Refused) as error:
            log.info("connection_close_failed", reason=error.reason)
        finally:
            self.demux.abort()


async def connect(url: str, *, name: str, heartbeat: timedelta, timeout: timedelta) -> AmqpConnection:
    """Open a connection. Raises `Unavailable`."""
    factory = DemuxTransportFactory()
    address = URL(url).update_query(heartbeat=int(heartbeat.total_seconds()), name=name)
    driver = aio_pika.Connection(address)
    driver.kwargs["transport_factory"] = factory
    try:
        await bounded(driver.connect(), timeout)
    except (Unavailable, Refused) as error:
        reason = error.reason if factory.demux is None else factory.demux.close_reason or error.reason
        raise Unavailable(f"{_place(address)}: {reason}") from error
    finally:
        if driver.transport is None:
            await driver.close()
            if factory.demux is not None:
                factory.demux.abort()
    assert factory.demux is not None, "aio-pika asks the factory for its transport"
    return AmqpConnection(driver, factory.demux, timeout=timeout)


async def bounded(work: Coroutine[Any, Any, T], limit: timedelta) -> T:
    """Return the result of `work`, with the errors of the driver mapped to those of the bus.

    It runs in a task of its own: a driver that cancels its callers when a connection closes does not cancel this one.
    """
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait({task}, timeout=limit.total_seconds())
    finally:
        if not task.done():
            task.add_done_callback(_ignore)
            _abandon(task)
    if not task.done() or task.cancelled():
        raise Unavailable(f"the broker did not answer in {limit.total_seconds():g} s")
    try:
        return task.result()
    except ChannelPreconditionFailed as error:
        raise DeclaredDifferently(f"the broker refused: {_text(error)}") from error
    except (ChannelNotFoundEntity, ChannelLockedResource) as error:
        raise Refused(f"the broker refused: {_text(error)}") from error
    except (AMQPError, OSError, TimeoutError, RuntimeError) as error:
        # aio-pika reports a connection that is lost during a call as RuntimeError.
        raise Unavailable(f"the broker cannot be reached: {_text(error)}") from error


def _place(address: URL) -> str:
    """Host and port of the broker, without the password."""
    return f"{address.host}:{address.port}"


def _text(error: BaseException) -> str:
    return str(error) or type(error).__name__


def _abandon(task: asyncio.Future[Any]) -> None:
    """Cancel it until it has ended.

    The driver goes on waiting after a cancellation: its `close` waits for a callback of the connection then. A process
    that ends waits for all of its tasks.
    """
    if not task.done():
        task.cancel()
        task.get_loop().call_later(CANCEL_AGAIN, _abandon, task)


def _ignore(task: asyncio.Future[Any]) -> None:
    """Discard an error after the time limit, which was reported already."""
    if not task.cancelled():
        task.exception()

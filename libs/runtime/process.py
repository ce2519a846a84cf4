"""One process: its services, their HTTP servers, consumers and listeners, and the way down at SIGTERM."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

import structlog
import uvloop

from libs.bus import Consumer
from libs.envelope import Permanent, Temporary
from libs.runtime.http_server import HttpServer
from libs.runtime.service import Service, ServiceModule
from libs.runtime.shared import Shared, open_shared
from libs.runtime.worker import Worker
from libs.settings import ServiceSettings, WrongSetting, load
from libs.telemetry import Traces, configure_logs

log = structlog.get_logger(__name__)

Ready = Callable[[ServiceSettings], Awaitable[None]]


def run(*modules: ServiceModule, ready: Ready | None = None) -> None:
    """Run the services whose `app` modules are given until SIGTERM or SIGINT; ends the process with an exit code.

    `ready` is called once when all of them serve (embedded mode prints its first steps there).
    """
    try:
        settings = [load(module.Settings, module.NAME, os.environ) for module in modules]
        configure_logs(settings[0].log_level)
        uvloop.run(_main(list(zip(modules, settings, strict=True)), ready))
    except (WrongSetting, Temporary, Permanent, ValueError, OSError) as error:
        sys.exit(f"facteur: {error}")


async def _main(chosen: Sequence[tuple[ServiceModule, Any]], ready: Ready | None) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    first: ServiceSettings = chosen[0][1]
    async with AsyncExitStack() as stack:
        shared = await stack.enter_async_context(open_shared(first))
        running = [
            RunningService(await stack.enter_async_context(module.build(settings, shared)), shared)
            for module, settings in chosen
        ]
        try:
            for service in running:
                await service.start(on_failure=stop.set)
            if ready is not None:
                await ready(first)
            log.info("ready", services=[module.NAME for module, _ in chosen])
            await stop.wait()
        finally:
            # Intake first, in the order of the mail, so that what is in hand finds its next queue open.
            for service in running:
                await service.drain()
            for service in running:
                await service.stop()


class RunningService:
    """A service with everything of it that runs."""

    def __init__(self, service: Service, shared: Shared) -> None:
        self._service = service
        self._shared = shared
        self._consumers: list[Consumer] = []
        self._in_hand: set[asyncio.Task[Any]] = set()
        self._background: list[asyncio.Task[None]] = []
        settings = service.settings
        self._traces = Traces(service.name, endpoint=settings.otlp_endpoint, ratio=settings.trace_ratio)
        self._server = HttpServer(service, shared)

    async def start(self, *, on_failure: Callable[[], None]) -> None:
        """Queues first, then consumers, API and listeners. Raises `OSError` when a port is taken."""
        service, bus = self._service, self._shared.bus
        await bus.declare(*(row.queue for row in service.handles))
        await self._server.start()
        for heard in service.hears:
            # A row has a queue of its own, so that no other row of the service takes its events.
            group = f"{heard.group}.{'-'.join(heard.names)}" if heard.group else None
            self._consumers.append(await bus.subscribe(heard.names, heard.handle, group=group))
        for row in service.handles:
            worker = Worker(
                row, self._shared.blobs, self._shared.outbox, service.metrics, self._traces,
                service.settings.handler_deadline,
            )  # fmt: skip
            self._consumers.append(await bus.consume(row.queue, self._owned(worker), prefetch=row.prefetch))
        for work in service.background:
            task = asyncio.create_task(_forever(service.name, work), name=f"{service.name} background")
            task.add_done_callback(lambda done: None if done.cancelled() else on_failure())
            self._background.append(task)
        for listener in service.listeners:
            await listener.start()
        self._server.not_ready_because = ""

    def _owned(self, worker: Worker) -> Callable[[Any], Awaitable[None]]:
        async def handle(delivery: Any) -> None:
            task = asyncio.current_task()
            assert task is not None
            self._in_hand.add(task)
            try:
                await worker(delivery)
            finally:
                self._in_hand.discard(task)

        return handle

    async def drain(self) -> None:
        """Take nothing more; finish what is in hand within the deadline, the bus gives the rest back."""
        self._server.not_ready_because = "the service stops"
        grace: timedelta = self._service.settings.drain_deadline
        for listener in self._service.listeners:
            await listener.stop(grace)
        for consumer in self._consumers:
            await consumer.stop()
        if self._in_hand:
            await asyncio.wait(self._in_hand, timeout=grace.total_seconds())

    async def stop(self) -> None:
        """End background work and HTTP."""
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        await self._server.stop()
        await asyncio.to_thread(self._traces.close)


async def _forever(service: str, work: Callable[[], Awaitable[None]]) -> None:
    """Background work is a loop of its own; one that ends or raises is a bug, logged, and brings the process down."""
    try:
        await work()
    except Exception as error:
        log.error("background_failed", service=service, exc_info=error)
        raise

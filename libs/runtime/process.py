"""One process: its services in one event loop, and its shutdown at SIGTERM."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any, TypeVar

import structlog
import uvloop

from libs.envelope import Permanent, Temporary
from libs.mongo import embedded_port
from libs.runtime import closing
from libs.runtime.descriptors import raise_limit
from libs.runtime.embedded_database import supervise_database
from libs.runtime.ports import check_ports_free
from libs.runtime.restart import start_again
from libs.runtime.running import RunningService
from libs.runtime.service import ServiceModule
from libs.runtime.shared import Shared, open_shared
from libs.runtime.watchdog import Watchdog
from libs.settings import ServiceSettings, WrongSetting, load
from libs.tasks import cancelled
from libs.telemetry import configure_logs

__all__ = ["RunningService", "run"]

log = structlog.get_logger(__name__)

Ready = Callable[[ServiceSettings], Awaitable[None]]
Chosen = Sequence[tuple[ServiceModule, Any]]
T = TypeVar("T")

# Settings of resources that a process has once: the services that share them need equal values.
SHARED_SETTINGS = (
    "bus_url", "mongo_url", "mongo_prefix", "blobs_url", "admin_token_file", "service_tokens_dir", "service_token_file",
    "port_base", "inline_limit_bytes", "queue_max_messages", "queue_max_bytes", "start_deadline", "log_level",
)  # fmt: skip


def run(*modules: ServiceModule, ready: Ready | None = None, again: bool = False) -> None:
    """Run the services whose `app` modules are given until SIGTERM or SIGINT, then end the process.

    `ready` is called once when all of them serve (embedded mode prints its first steps there). What the operator can
    mend is one line on standard error and exit code 1, and so is background work that says that the process must
    end; with `again` it then starts anew, a few times. A bug has its trace.
    """
    try:
        chosen = [(module, load(module.Settings, module.NAME, os.environ)) for module in modules]
        _agree(chosen)
        configure_logs(chosen[0][1].log_level)
        raise_limit()
        check_ports_free(_addresses(chosen))
        failures = uvloop.run(_Process(chosen, ready).run())
    except (WrongSetting, Temporary, Permanent, OSError) as error:
        sys.exit(f"facteur: {error or repr(error)}")
    if failures:
        reason = "; ".join(failures)
        sys.exit(f"facteur: {start_again(reason, environ=os.environ) if again else reason}")


def _agree(chosen: Chosen) -> None:
    """Raises `WrongSetting`."""
    first, shared = chosen[0]
    for module, settings in chosen[1:]:
        for name in SHARED_SETTINGS:
            if getattr(settings, name) != getattr(shared, name):
                raise WrongSetting(f"setting {name}: {first.NAME} and {module.NAME} share a process, and so this")


def _addresses(chosen: Chosen) -> Iterator[tuple[str, int, str]]:
    """Yield every host and port that the process binds, with its purpose. Raises `WrongSetting`."""
    for module, settings in chosen:
        for host, port in settings.bound_addresses(module.NAME):
            yield host, port, module.NAME
    first: ServiceSettings = chosen[0][1]
    try:
        port_of_mongod = embedded_port(first.mongo_url, first.port_base)
    except ValueError as error:
        raise WrongSetting(str(error)) from error
    if port_of_mongod is not None:
        yield "127.0.0.1", port_of_mongod, "the embedded MongoDB"


class _Process:
    """Opens the shared resources and the services, waits for the end, closes everything in reverse order."""

    def __init__(self, chosen: Chosen, ready: Ready | None) -> None:
        self._chosen = chosen
        self._first: ServiceSettings = chosen[0][1]
        self._ready = ready
        self._over = asyncio.Event()
        self._up = False
        self._shared: Shared | None = None
        self._running: list[RunningService] = []
        self._failures: list[str] = []

    async def run(self) -> Sequence[str]:
        """Return the reasons why the process must end. A signal during the start cancels the start."""
        living = asyncio.create_task(self._serve())

        def told() -> None:
            if not self._up and not self._over.is_set():
                living.cancel()
            self._end()

        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, told)
        try:
            await living
        except asyncio.CancelledError:
            if not self._over.is_set():
                raise
        return [*self._failures, *(service.failure for service in self._running if service.failure)]

    def _end(self) -> None:
        """Request the shutdown, which has a deadline from now on."""
        if not self._over.is_set():
            self._over.set()
            longest = max(settings.drain_deadline for _, settings in self._chosen)
            closing.exit_after(longest + closing.CLOSING, self._kill_database)

    def _kill_database(self) -> None:
        """Kill the embedded database, which may be stopped and would keep its port: the next start needs it."""
        if self._shared is not None:
            self._shared.mongo.kill_server()

    async def _serve(self) -> None:
        async with AsyncExitStack() as stack:
            services = [module.NAME for module, _ in self._chosen]
            shared = await _opened(stack, open_shared(self._first, services))
            self._shared = shared
            await self._build(stack, shared)
            await self._start(stack, shared)
            if self._ready is not None:
                await self._ready(self._first)
            _tune_garbage_collector()
            self._up = True
            log.info("process_ready", services=services)
            await self._over.wait()
            log.info("shutdown_started")

    async def _build(self, stack: AsyncExitStack, shared: Shared) -> None:
        """Build all services; they are closed at the same time."""
        built: list[tuple[str, AbstractAsyncContextManager[Any]]] = []
        stack.push_async_callback(_close, built)
        for module, settings in self._chosen:
            own = shared.of(module.NAME, settings)
            building = module.build(settings, own)
            service = await _entered(building)
            built.append((module.NAME, building))
            self._running.append(RunningService(service, own))

    async def _start(self, stack: AsyncExitStack, shared: Shared) -> None:
        """Open all APIs first, so that services of one process find each other when they begin."""
        stack.push_async_callback(_wind_down, self._running)  # before the adapters that the services still use
        all_metrics = [service.metrics for service in self._running]
        for service in self._running:
            await service.open()
        watchdog = Watchdog(all_metrics)
        watchdog.start()
        stack.push_async_callback(watchdog.stop)
        keeping = asyncio.create_task(supervise_database(shared.mongo, all_metrics[0], self._must_end))
        stack.push_async_callback(cancelled, [keeping])
        await _all([self._begin(service) for service in self._running])

    async def _begin(self, service: RunningService) -> None:
        await service.wait_for_neighbours()
        await service.begin(on_failure=self._end)

    def _must_end(self, reason: str) -> None:
        self._failures.append(reason)
        self._end()


async def _all(begins: Sequence[Coroutine[Any, Any, None]]) -> None:
    """Run all; the first failure cancels the others, so that no service starts while others are stopped."""
    tasks = [asyncio.create_task(begin) for begin in begins]
    try:
        await asyncio.gather(*tasks)
    finally:
        await cancelled(tasks)


def _tune_garbage_collector() -> None:
    """Exempt the objects that live as long as the process from garbage collection. Objects of a message are freed by
    their reference counts, so that the collector finds little and can run less often.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


async def _opened(stack: AsyncExitStack, opening: AbstractAsyncContextManager[T]) -> T:
    value = await _entered(opening)
    stack.push_async_exit(opening.__aexit__)
    return value


async def _entered(opening: AbstractAsyncContextManager[T]) -> T:
    """Enter `opening`. A `ValueError` becomes `WrongSetting`; other exceptions pass."""
    try:
        return await opening.__aenter__()
    except ValueError as error:
        log.debug("open_failed", exc_info=error)
        raise WrongSetting(" ".join(str(error).split())) from error


async def _wind_down(running: Sequence[RunningService]) -> None:
    """Drain all services at the same time, since messages that they still publish wait in queues; then stop all."""
    try:
        await asyncio.gather(*(service.drain() for service in running))
    finally:
        await asyncio.gather(*(service.stop() for service in running))


async def _close(built: Sequence[tuple[str, AbstractAsyncContextManager[Any]]]) -> None:
    """Close the adapters of all services."""
    await asyncio.gather(*(closing.within(closing.ADAPTERS, name, _left(building)) for name, building in built))


async def _left(building: AbstractAsyncContextManager[Any]) -> None:
    await building.__aexit__(None, None, None)

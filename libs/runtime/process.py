"""One process: its services in one loop, and the way down at SIGTERM."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any, TypeVar

import structlog
import uvloop

from libs.envelope import Permanent, Temporary
from libs.runtime.descriptors import raise_limit
from libs.runtime.running import RunningService
from libs.runtime.service import ServiceModule
from libs.runtime.shared import open_shared
from libs.runtime.watchdog import Watchdog
from libs.settings import ServiceSettings, WrongSetting, load
from libs.tasks import cancelled
from libs.telemetry import configure_logs

__all__ = ["RunningService", "run"]

log = structlog.get_logger(__name__)

Ready = Callable[[ServiceSettings], Awaitable[None]]
Chosen = Sequence[tuple[ServiceModule, Any]]
T = TypeVar("T")

# What a process has once. Services that share it cannot have it differently.
SHARED_SETTINGS = (
    "bus_url", "mongo_url", "mongo_prefix", "blobs_url", "admin_token_file", "service_tokens_dir", "service_token_file",
    "port_base", "inline_limit_bytes", "queue_max_messages", "queue_max_bytes", "start_deadline", "log_level",
)  # fmt: skip


def run(*modules: ServiceModule, ready: Ready | None = None) -> None:
    """Run the services whose `app` modules are given until SIGTERM or SIGINT, then end the process.

    `ready` is called once when all of them serve (embedded mode prints its first steps there). What the operator can
    mend is one line on standard error and exit code 1, and so is background work that ended; a bug has its trace.
    """
    try:
        chosen = [(module, load(module.Settings, module.NAME, os.environ)) for module in modules]
        _agree(chosen)
        configure_logs(chosen[0][1].log_level)
        raise_limit()
        failures = uvloop.run(_main(chosen, ready))
    except (WrongSetting, Temporary, Permanent, OSError) as error:
        sys.exit(f"facteur: {error or repr(error)}")
    if failures:
        sys.exit(f"facteur: {'; '.join(failures)}")


def _agree(chosen: Chosen) -> None:
    """Raises `WrongSetting`."""
    first, shared = chosen[0]
    for module, settings in chosen[1:]:
        for name in SHARED_SETTINGS:
            if getattr(settings, name) != getattr(shared, name):
                raise WrongSetting(f"setting {name}: {first.NAME} and {module.NAME} share a process, and so this")


async def _main(chosen: Chosen, ready: Ready | None) -> Sequence[str]:
    """Returns the failures of background work. A signal while everything still opens cuts that short."""
    over, up = asyncio.Event(), asyncio.Event()
    living = asyncio.create_task(_live(chosen, ready, over=over, up=up))

    def told() -> None:
        if not up.is_set() and not over.is_set():
            living.cancel()
        over.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told)
    try:
        return await living
    except asyncio.CancelledError:
        if not over.is_set():
            raise
        return ()


async def _live(chosen: Chosen, ready: Ready | None, *, over: asyncio.Event, up: asyncio.Event) -> Sequence[str]:
    first: ServiceSettings = chosen[0][1]
    running: list[RunningService] = []
    async with AsyncExitStack() as stack:
        shared = await _opened(stack, open_shared(first, [module.NAME for module, _ in chosen]))
        for module, settings in chosen:
            own = shared.of(module.NAME, settings)
            running.append(RunningService(await _opened(stack, module.build(settings, own)), own))
        stack.push_async_callback(_wind_down, running)  # before the adapters that the services still use
        for service in running:
            await service.open()
        await _all([service.begin(on_failure=over.set) for service in running])
        if ready is not None:
            await ready(first)
        watchdog = Watchdog([service.metrics for service in running])
        watchdog.start()
        stack.push_async_callback(watchdog.stop)
        _spare_collector()
        up.set()
        log.info("ready", services=[module.NAME for module, _ in chosen])
        await over.wait()
        log.info("stopping")
    return [service.failure for service in running if service.failure]


async def _all(begins: Sequence[Coroutine[Any, Any, None]]) -> None:
    """The first one that fails ends the others, so that nothing begins while what began is stopped."""
    tasks = [asyncio.create_task(begin) for begin in begins]
    try:
        await asyncio.gather(*tasks)
    finally:
        await cancelled(tasks)


def _spare_collector() -> None:
    """What lives as long as the process is not looked at again and again, and what a message leaves is freed by its
    reference counts: the collector has little to find, and looks for it less often.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


async def _opened(stack: AsyncExitStack, opening: AbstractAsyncContextManager[T]) -> T:
    """What cannot be opened because of its value is a wrong setting. Raises what `opening` raises besides."""
    try:
        return await stack.enter_async_context(opening)
    except ValueError as error:
        log.debug("not_opened", exc_info=error)
        raise WrongSetting(" ".join(str(error).split())) from error


async def _wind_down(running: Sequence[RunningService]) -> None:
    """All drain at the same time: what one of them still publishes waits in its queue. Each is stopped in any case."""
    try:
        await asyncio.gather(*(service.drain() for service in running))
    finally:
        await asyncio.gather(*(service.stop() for service in running))

"""One uvicorn server a service, in the loop of the process."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from libs.envelope import Temporary
from libs.http import Check, application
from libs.runtime.dead_letters import dead_letter_routes
from libs.runtime.service import Service
from libs.runtime.shared import Shared


class HttpServer:
    """The API of `service`, with dead letters where it consumes a queue."""

    def __init__(self, service: Service, shared: Shared) -> None:
        settings = service.settings
        # Readiness is a promise about the whole service: it is given when the last listener is up.
        self.not_ready_because = "the service starts"
        queues = [row.queue for row in service.handles]
        app = application(
            service.name,
            routers=(*service.routers, *([dead_letter_routes(shared.bus, queues)] if queues else ())),
            checks={
                "service": self._check,
                "bus": _bus_check(shared),
                "database": shared.mongo.check,
                **service.checks,
            },
            metrics=service.metrics,
            tokens=shared.tokens,
            body_limit_bytes=service.body_limit_bytes,
        )
        self._address = (settings.host, settings.port_of(service.name))
        self._server = _Server(
            uvicorn.Config(
                app,
                lifespan="off",
                access_log=False,
                log_config=None,
                server_header=False,
                timeout_graceful_shutdown=5,
                h11_max_incomplete_event_size=64 * 1024,
            )
        )
        self._task: asyncio.Task[None] | None = None

    async def _check(self) -> None:
        if self.not_ready_because:
            raise Temporary(self.not_ready_because)

    async def start(self) -> None:
        """Returns when it answers. Raises `OSError` when the port is taken."""
        host, port = self._address
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            listening = socket.create_server((host, port), family=family, backlog=512)
        except OSError as error:
            raise OSError(f"cannot listen on {host}:{port}: {error.strerror}") from error
        self._task = asyncio.create_task(self._server.serve(sockets=[listening]))
        while not self._server.started and not self._task.done():
            await asyncio.sleep(0.005)

    async def stop(self) -> None:
        """End after the requests in hand."""
        self._server.should_exit = True
        if self._task is not None:
            await self._task


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """The runner owns the signals."""
        yield


def _bus_check(shared: Shared) -> Check:
    async def check() -> None:
        if not shared.bus.healthy:
            raise Temporary("the broker does not answer or is blocked")

    return check

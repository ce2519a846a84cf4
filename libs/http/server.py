"""One HTTP server on a loop that others use too: uvicorn, with the bounds that it lacks."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import partial

import uvicorn
from fastapi import FastAPI

from libs.http.connections import Connections
from libs.http.protocol import HttpProtocol
from libs.http.tls import TlsListener
from libs.network import bound
from libs.tls import Certificates

# Longer than the clients in `libs.http` keep a connection, so that they never send on one that closes.
KEEP_ALIVE_SECONDS = 60


class Server:
    """Serves `app` on `port` of each of `addresses`. Its owner handles the signals."""

    def __init__(
        self,
        app: FastAPI,
        *,
        addresses: Sequence[str],
        port: int,
        connections: Connections,
        certificates: Certificates | None = None,
        grace: timedelta = timedelta(seconds=5),
    ) -> None:
        self.app = app
        self._addresses = tuple(addresses)
        self._port = port
        config = uvicorn.Config(
            app,
            http=partial(HttpProtocol, connections=connections),  # type: ignore[arg-type]
            ws="none",
            lifespan="off",
            access_log=False,
            log_config=None,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=int(grace.total_seconds()),
        )
        self._server = _Server(config)
        self._connections = connections
        self._certificates = certificates
        self._secured: TlsListener | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Returns when it answers. Raises `OSError` when the port is taken."""
        listening = bound(self._addresses, self._port)
        plain = listening if self._certificates is None else []
        self._task = asyncio.create_task(self._server.serve(sockets=plain), name=f"http {self._port}")
        while not self._server.started:
            if self._task.done():
                for each in listening:
                    each.close()
                self._task.result()
                raise OSError(f"the server on port {self._port} ended at once")
            await asyncio.sleep(0.005)
        if self._certificates is not None:
            self._secured = TlsListener(
                listening, certificates=self._certificates, connections=self._connections, made=self._server.protocol
            )
            self._secured.start()

    async def stop(self) -> None:
        """Stop after the requests in progress, at most after the grace period."""
        if self._secured is not None:
            await self._secured.stop()
        self._server.should_exit = True
        if self._task is not None:
            await self._task


class _Server(uvicorn.Server):
    def protocol(self) -> HttpProtocol:
        """Return a protocol for a new connection, as the listeners of uvicorn do."""
        made: HttpProtocol = self.config.http_protocol_class(  # type: ignore[call-arg, assignment]
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return made

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

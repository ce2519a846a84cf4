"""TLS in front of HTTP: a handshake counts as a connection of its peer, and has a deadline."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence

import structlog

from libs.http.connections import Connections
from libs.http.protocol import HttpProtocol
from libs.tasks import cancelled
from libs.tls import Certificates

log = structlog.get_logger(__name__)

HANDSHAKE_SECONDS = 10.0
# Without a free descriptor a connection waits in the queue of the system; to ask at once again would be a hot loop.
PAUSE_SECONDS = 0.1


class TlsListener:
    """Accepts on `sockets`, secures each connection and gives it to the protocol that `made` makes."""

    def __init__(
        self,
        sockets: Sequence[socket.socket],
        *,
        certificates: Certificates,
        connections: Connections,
        made: Callable[[], HttpProtocol],
    ) -> None:
        self._sockets = tuple(sockets)
        self._certificates = certificates
        self._connections = connections
        self._made = made
        self._accepting: list[asyncio.Task[None]] = []
        self._handshakes: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        for listening in self._sockets:
            listening.setblocking(False)
            self._accepting.append(asyncio.create_task(self._accept(listening)))

    async def stop(self) -> None:
        """Accept nothing more and end the handshakes; secured connections are the protocol's."""
        await cancelled([*self._accepting, *self._handshakes])
        for listening in self._sockets:
            listening.close()

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                accepted, address = await loop.sock_accept(listening)
            except OSError as error:
                log.warning("http_accept_failed", reason=error.strerror)
                await asyncio.sleep(PAUSE_SECONDS)
                continue
            handshake = _Handshake(accepted, str(address[0]), self._connections)
            if handshake.is_admitted:
                handshake.task = task = loop.create_task(self._secure(handshake))
                self._handshakes.add(task)
                task.add_done_callback(self._handshakes.discard)
            else:
                accepted.close()

    async def _secure(self, handshake: _Handshake) -> None:
        def made() -> HttpProtocol:
            protocol = self._made()
            protocol.before = handshake.leave
            return protocol

        self._certificates.refresh()
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                made,
                handshake.accepted,
                ssl=self._certificates.context,
                ssl_handshake_timeout=HANDSHAKE_SECONDS,
            )
        except OSError as error:  # `ssl.SSLError` is one, and so is a handshake that took too long
            log.debug("http_handshake_failed", peer=handshake.peer, reason=str(error))
            handshake.accepted.close()
        finally:
            handshake.leave()


class _Handshake:
    """A connection that is not secured yet."""

    def __init__(self, accepted: socket.socket, peer: str, connections: Connections) -> None:
        self.accepted = accepted
        self.peer = peer
        self.task: asyncio.Task[None] | None = None
        self._connections = connections
        self.is_admitted = connections.admit(self)

    def cut(self) -> None:
        self.is_admitted = False
        if self.task is not None:
            self.task.cancel()
        self.accepted.close()

    def leave(self) -> None:
        """Stop counting the connection as a handshake."""
        if self.is_admitted:
            self.is_admitted = False
            self._connections.gone(self)

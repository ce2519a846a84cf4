"""A listener: its sockets, which peers may connect, what happens before a session, and the drain at SIGTERM."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog

from libs.lineserver.connection import Connection
from libs.lineserver.errors import Disconnected, PeerTimeout
from libs.lineserver.limits import ConnectionLimits
from libs.lineserver.protocol import LineProtocol, LineSession, Rejection
from libs.lineserver.proxy_protocol import BadProxyHeader, parse_proxy_header
from libs.network import Network, bound, is_in, networks_of, plain
from libs.network.listening import BACKLOG
from libs.tasks import cancelled
from libs.tls import Certificates

log = structlog.get_logger(__name__)

# Seconds: a peer that lost its power is noticed after five minutes and a half, long before its session would time out.
_KEEPALIVE = ((socket.TCP_KEEPIDLE, 120), (socket.TCP_KEEPINTVL, 30), (socket.TCP_KEEPCNT, 7))


@dataclass(frozen=True, slots=True)
class ListenerOptions:
    """Timeouts are seconds. `proxy_networks` are the load balancers, whose connections begin with a PROXY header."""

    name: str
    addresses: Sequence[str]
    port: int
    header_timeout: float
    handshake_timeout: float
    write_timeout: float
    implicit_tls: bool = False
    proxy_networks: Sequence[Network] = ()


@dataclass(slots=True, eq=False)
class _Served:
    """A connection that is served, and the networks that it counts for."""

    connection: Connection
    networks: Sequence[str] = ()
    task: asyncio.Task[None] | None = None
    session: LineSession | None = None


class Listener:
    """Accepts connections on one port of several addresses, and runs a session of `protocol` on each.

    `limits` may be shared by several listeners.
    """

    def __init__(
        self,
        options: ListenerOptions,
        protocol: LineProtocol,
        limits: ConnectionLimits,
        certificates: Certificates,
        *,
        connection_class: type[Connection] = Connection,
    ) -> None:
        self.options = options
        self._protocol = protocol
        self._limits = limits
        self._certificates = certificates
        self._connection_class = connection_class
        self._served: set[_Served] = set()
        self._servers: list[asyncio.Server] = []
        self._draining = False

    def __len__(self) -> int:
        """The number of connections that are served now."""
        return len(self._served)

    async def open(self) -> None:
        """Listen on all addresses. Raises `OSError` when the port of one is taken; then none is bound."""
        options, loop = self.options, asyncio.get_running_loop()
        for listening in bound(options.addresses, options.port):
            # Accepted connections inherit the options of the listening socket (tcp(7)).
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for option, value in _KEEPALIVE:
                listening.setsockopt(socket.IPPROTO_TCP, option, value)
            listening.setblocking(False)
            server = await loop.create_server(
                lambda: self._connection_class(loop, self._accept, options.write_timeout),
                sock=listening,
                backlog=BACKLOG,
            )
            self._servers.append(server)

    async def close(self, grace: timedelta) -> None:
        """Accept no more connections and stop the sessions; abort those that are not done after `grace`."""
        self._draining = True
        for server in self._servers:
            server.close()
        for served in self._served:
            if served.session is not None:
                served.session.stop()
        tasks = [served.task for served in self._served if served.task is not None]
        if tasks:
            await asyncio.wait(tasks, timeout=grace.total_seconds())
        late = list(self._served)
        for served in late:
            served.connection.abort()
        # Wait until they have ended: a session that is publishing would go on while the bus is closed beneath it.
        await cancelled(served.task for served in late if served.task is not None)

    def _accept(self, connection: Connection) -> None:
        """Serve a new connection, or close it with the reason."""
        if not self._limits.open():
            self._reject(connection, Rejection.FULL)
            return
        served = _Served(connection)
        if not self._is_balancer(connection) and (reason := self._admit(served)) is not None:
            self._limits.close(())
            self._reject(connection, reason)
            return
        served.task = connection.loop.create_task(self._serve(served))
        self._served.add(served)
        served.task.add_done_callback(lambda task: self._ended(served, task))
        self._protocol.count_open(1)

    def _admit(self, served: _Served) -> Rejection | None:
        """Count the connection for its peer, whose address is known now; return why it is refused, if it is."""
        address = served.connection.peer[0]
        if self._protocol.is_banned(address):
            return Rejection.BANNED
        networks = networks_of(address)
        if not self._limits.assign(networks):
            return Rejection.TOO_MANY_FROM_PEER
        served.networks = networks
        self._protocol.count_connection("opened")
        return None

    def _reject(self, connection: Connection, reason: Rejection) -> None:
        """Close before the session; where TLS is implicit nothing can be said in plain text."""
        self._protocol.count_connection("refused")
        connection.reject(b"" if self.options.implicit_tls else self._protocol.rejection(reason))

    async def _serve(self, served: _Served) -> None:
        connection = served.connection
        try:
            if self._is_balancer(connection) and not await self._read_proxy_header(served):
                return
            if self.options.implicit_tls:
                await connection.start_tls(
                    self._certificates.context, timeout=self.options.handshake_timeout, from_start=True
                )
            session = served.session = self._protocol.open_session(connection)
            if self._draining:
                session.stop()
            await session.run()
        except PeerTimeout:
            self._reject(connection, Rejection.TIMEOUT)
        except Disconnected:
            return
        finally:
            connection.close()

    def _is_balancer(self, connection: Connection) -> bool:
        return is_in(connection.peer[0], self.options.proxy_networks)

    async def _read_proxy_header(self, served: _Served) -> bool:
        """Learn the address of the peer behind the balancer. False when the connection was closed."""
        connection, reader = served.connection, served.connection.reader
        deadline = connection.loop.time() + self.options.header_timeout
        try:
            while (header := parse_proxy_header(reader.peek(reader.pending))) is None:
                await reader.wait(deadline)
        except BadProxyHeader:
            self._protocol.count_connection("bad_proxy_header")
            connection.abort()
            return False
        reader.read(header.octets)
        if header.source is None:  # a health check of the balancer itself
            return True
        connection.peer = plain(header.source[0]), header.source[1]
        if (reason := self._admit(served)) is not None:
            self._reject(connection, reason)
        return reason is None

    def _ended(self, served: _Served, task: asyncio.Task[None]) -> None:
        self._served.discard(served)
        self._limits.close(served.networks)
        self._protocol.count_open(-1)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("session_failed", listener=self.options.name, exc_info=error)
            served.connection.abort()

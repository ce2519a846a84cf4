"""The listeners: sockets, who may come in, and the way down at SIGTERM."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import timedelta

import structlog

from libs.mail import replies
from libs.mail.replies import Reply
from libs.network import bound, is_in
from libs.network.listening import BACKLOG
from libs.tasks import cancelled
from services.ingress.domain.sequence import Profile
from services.ingress.smtp.connection import Connection
from services.ingress.smtp.session import Session
from services.ingress.smtp.site import Site

log = structlog.get_logger(__name__)

# A ban ends by itself, and behind the address of a large provider are many: their mail waits and is not returned.
_BLACKLISTED = Reply(421, "4.7.0", "Your address is refused for a while, try again later")
_FULL = replies.TOO_MANY_CONNECTIONS.because("Too many connections")
# Seconds: a peer that lost its power is noticed after five minutes and a half, long before its session would time out.
_KEEPALIVE = ((socket.TCP_KEEPIDLE, 120), (socket.TCP_KEEPINTVL, 30), (socket.TCP_KEEPCNT, 7))


class Crowd:
    """How many connections there are, all listeners together, and of each network that a peer counts in.

    The narrowest network of a peer may have `limit_per_peer`, each wider one twice as many as the one before.
    """

    def __init__(self, *, limit: int, limit_per_peer: int) -> None:
        self._limit = limit
        self._limit_per_peer = limit_per_peer
        self._peers: Counter[str] = Counter()
        self._total = 0

    def enter(self) -> Reply | None:
        """Why nobody can come in; None when one more is in, and counted."""
        if self._total >= self._limit:
            return _FULL
        self._total += 1
        return None

    def recognise(self, networks: Sequence[str]) -> Reply | None:
        """Why this peer must go again; None when the connection is counted as its."""
        for circle, network in enumerate(networks):
            if self._peers.get(network, 0) >= self._limit_per_peer << circle:
                return replies.TOO_MANY_CONNECTIONS
        self._peers.update(networks)
        return None

    def leave(self, networks: Sequence[str]) -> None:
        """One connection less, in these networks if its peer was recognised."""
        self._total -= 1
        for network in networks:
            self._peers[network] -= 1
            if not self._peers[network]:
                del self._peers[network]


class Door:
    """One listener."""

    def __init__(self, site: Site, profile: Profile, crowd: Crowd) -> None:
        self.site = site
        self.profile = profile
        self._crowd = crowd
        self.metrics = site.metrics.of(profile.name)
        self._sessions: dict[Session, asyncio.Task[None]] = {}
        self._recognised: dict[Session, Sequence[str]] = {}
        self._servers: list[asyncio.Server] = []

    def __len__(self) -> int:
        return len(self._sessions)

    async def open(self) -> None:
        """On all addresses, of both families. Raises `OSError` when the port of one is taken; then none is bound."""
        settings, loop = self.site.settings, asyncio.get_running_loop()
        for listening in bound(settings.host, self.profile.port + settings.port_base):
            # What is set on a listening socket, its connections inherit (tcp(7)).
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for option, value in _KEEPALIVE:
                listening.setsockopt(socket.IPPROTO_TCP, option, value)
            listening.setblocking(False)
            server = await loop.create_server(lambda: Connection(self, loop), sock=listening, backlog=BACKLOG)
            self._servers.append(server)

    def opened(self, connection: Connection) -> None:
        """A peer connected: a session for it, or the reason why not."""
        if (refusal := self._crowd.enter()) is not None:
            self.turn_away(connection, refusal)
            return
        session = Session(connection, self)
        if not self.is_balancer(session.address) and (refusal := self.recognise(session)) is not None:
            self._crowd.leave(())
            self.turn_away(connection, refusal)
            return
        task = connection.loop.create_task(session.run())
        self._sessions[session] = task
        task.add_done_callback(lambda done: self._ended(session, done))
        self.metrics.open_sessions.inc()

    def turn_away(self, connection: Connection, refusal: Reply) -> None:
        """Before the greeting (RFC 5321 3.1); on implicit TLS there is nothing to say it with."""
        self.metrics.session("refused")
        connection.turn_away(b"" if self.profile.implicit_tls else refusal.line())

    def is_balancer(self, address: str) -> bool:
        """Whether a PROXY header comes first from there."""
        return is_in(address, self.site.settings.proxy_networks)

    def recognise(self, session: Session) -> Reply | None:
        """Why the peer must go, now that its address is known; None when it may stay."""
        refusal = _BLACKLISTED if self.site.blacklist.refuses(session.address) else None
        refusal = refusal or self._crowd.recognise(session.networks)
        if refusal is None:
            self._recognised[session] = session.networks
            self.metrics.session("opened")
        return refusal

    def _ended(self, session: Session, task: asyncio.Task[None]) -> None:
        del self._sessions[session]
        self._crowd.leave(self._recognised.pop(session, ()))
        self.metrics.open_sessions.dec()
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("session_failed", listener=self.profile.name, exc_info=error)
            session.connection.abort()

    async def close(self, grace: timedelta) -> None:
        """Nobody comes in; idle sessions hear 421, those with a message in hand may finish it."""
        for server in self._servers:
            server.close()
        for session in self._sessions:
            session.stop()
        if self._sessions:
            await asyncio.wait(self._sessions.values(), timeout=grace.total_seconds())
        late = dict(self._sessions)
        for session in late:
            session.connection.abort()
        # Until they have ended: one that is publishing would else go on while the bus is taken away beneath it.
        await cancelled(late.values())


class SmtpServer:
    """All listeners; a `Listener` of the runner."""

    def __init__(self, site: Site, profiles: Sequence[Profile]) -> None:
        settings = site.settings
        crowd = Crowd(limit=settings.max_connections, limit_per_peer=settings.max_connections_per_peer)
        self._doors = [Door(site, profile, crowd) for profile in profiles]

    async def start(self) -> None:
        """Raises `OSError` when a port is taken."""
        for door in self._doors:
            await door.open()

    async def stop(self, grace: timedelta) -> None:
        """All at once."""
        await asyncio.gather(*(door.close(grace) for door in self._doors))

    def sessions(self) -> Mapping[str, int]:
        """How many there are now, by listener."""
        return {door.profile.name: len(door) for door in self._doors}

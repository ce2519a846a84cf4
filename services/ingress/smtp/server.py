"""The SMTP listeners of a process."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from libs.lineserver import Connection, ConnectionLimits, LineSession, Listener, ListenerOptions, Rejection
from libs.mail import replies
from libs.mail.replies import Reply
from services.ingress.domain.session_state import ListenerProfile
from services.ingress.metrics import ListenerMetrics
from services.ingress.smtp.connection import SmtpConnection
from services.ingress.smtp.context import SmtpContext
from services.ingress.smtp.dialogue import Dialogue
from services.ingress.smtp.session import Session

# All are 421: a ban ends by itself, and behind the address of a large provider are many senders, whose mail waits and
# is not returned (RFC 5321 3.1).
_REJECTIONS = {
    Rejection.BANNED: Reply(421, "4.7.0", "Your address is temporarily blocked, try again later"),
    Rejection.FULL: replies.TOO_MANY_CONNECTIONS.because("Too many connections"),
    Rejection.TOO_MANY_FROM_PEER: replies.TOO_MANY_CONNECTIONS,
    Rejection.TIMEOUT: replies.IDLE_TIMEOUT,
}


@dataclass(frozen=True, slots=True)
class SmtpProtocol:
    """SMTP on one listener (`LineProtocol`)."""

    context: SmtpContext
    profile: ListenerProfile
    metrics: ListenerMetrics

    def open_session(self, connection: Connection) -> LineSession:
        return Dialogue(Session(connection, self.context, self.profile, self.metrics))

    def is_banned(self, address: str) -> bool:
        return self.context.blacklist.is_banned(address)

    def rejection(self, reason: Rejection) -> bytes:
        return _REJECTIONS[reason].line()

    def count_connection(self, outcome: str) -> None:
        self.metrics.count_connection(outcome)

    def count_open(self, change: int) -> None:
        self.metrics.open_sessions.inc(change)


class SmtpServer:
    """All SMTP listeners; the runner starts and stops them."""

    def __init__(self, context: SmtpContext, profiles: Sequence[ListenerProfile]) -> None:
        settings = context.settings
        limits = ConnectionLimits(limit=settings.max_connections, limit_per_peer=settings.max_connections_per_peer)
        self._listeners = [
            Listener(
                _options(context, profile),
                SmtpProtocol(context, profile, context.metrics.of(profile.name)),
                limits,
                context.certificates,
                connection_class=SmtpConnection,
            )
            for profile in profiles
        ]

    async def start(self) -> None:
        """Bind all ports. Raises `OSError` when one is taken."""
        for listener in self._listeners:
            await listener.open()

    async def stop(self, grace: timedelta) -> None:
        """Drain all listeners at once."""
        await asyncio.gather(*(listener.close(grace) for listener in self._listeners))

    def sessions(self) -> Mapping[str, int]:
        """Return the number of sessions now, by listener."""
        return {listener.options.name: len(listener) for listener in self._listeners}


def _options(context: SmtpContext, profile: ListenerProfile) -> ListenerOptions:
    settings, timeouts = context.settings, context.timeouts
    return ListenerOptions(
        name=profile.name,
        addresses=settings.host,
        port=profile.port + settings.port_base,
        header_timeout=timeouts.command,
        handshake_timeout=settings.tls_handshake_timeout.total_seconds(),
        write_timeout=timeouts.data_block,
        implicit_tls=profile.implicit_tls,
        proxy_networks=settings.proxy_networks,
    )

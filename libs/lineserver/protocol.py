"""What a protocol such as SMTP or IMAP provides, so that a listener can serve it."""

from __future__ import annotations

from enum import Enum
from typing import Protocol

from libs.lineserver.connection import Connection


class Rejection(Enum):
    """Why a listener closes a connection before a session begins."""

    FULL = "full"
    TOO_MANY_FROM_PEER = "too many from peer"
    BANNED = "banned"
    TIMEOUT = "timeout"


class LineSession(Protocol):
    """One dialogue with one peer."""

    async def run(self) -> None:
        """Serve the peer to the end; the listener closes the connection afterwards."""

    def stop(self) -> None:
        """Finish the command in progress, say good-bye as the protocol has it, and end. Called at shutdown."""


class LineProtocol(Protocol):
    """The protocol of one listener. All methods are called on the event loop and do not block."""

    def open_session(self, connection: Connection) -> LineSession:
        """Return the session of a new connection. Its peer is known and implicit TLS is established."""

    def is_banned(self, address: str) -> bool:
        """Tell whether the peer at `address` is refused now."""

    def rejection(self, reason: Rejection) -> bytes:
        """Return the octets that tell a peer why it is refused, with their line end; empty to say nothing."""

    def count_connection(self, outcome: str) -> None:
        """Count a connection as `opened`, `refused` or `bad_proxy_header`."""

    def count_open(self, change: int) -> None:
        """Count sessions that began (1) or ended (-1)."""

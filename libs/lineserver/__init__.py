"""Serves line-based TCP protocols: SMTP today; IMAP, POP3 and ManageSieve have the same needs.

`listener` binds the addresses, decides which peers may connect, reads the PROXY header, starts implicit TLS and drains;
`connection` is the transport protocol with flow control and STARTTLS; `line_reader` hands out what the peer sent, as
lines and as blocks, each with a deadline; `limits` counts connections; `proxy_protocol` parses the header of a load
balancer. Nothing here knows a command: a `LineProtocol` opens a session for each connection.
"""

from libs.lineserver.connection import Connection, TlsParameters
from libs.lineserver.errors import Disconnected, LineTooLong, MalformedLine, PeerTimeout
from libs.lineserver.limits import ConnectionLimits
from libs.lineserver.line_reader import LineReader
from libs.lineserver.listener import Listener, ListenerOptions
from libs.lineserver.protocol import LineProtocol, LineSession, Rejection

__all__ = [
    "Connection",
    "ConnectionLimits",
    "Disconnected",
    "LineProtocol",
    "LineReader",
    "LineSession",
    "LineTooLong",
    "Listener",
    "ListenerOptions",
    "MalformedLine",
    "PeerTimeout",
    "Rejection",
    "TlsParameters",
]

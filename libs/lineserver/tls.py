"""TLS over memory buffers, so that a connection that idles holds no read buffer.

The TLS layer of asyncio reserves 256 KiB for each connection, and so does uvloop's, where those pages are touched as
soon as connections come and go. OpenSSL itself releases its record buffers while a connection idles.
"""

from __future__ import annotations

import ssl

# Memory BIOs keep the room that they once needed. Larger input and output passes through them in pieces.
_PIECE = 8 * 1024
_RECORD = 16 * 1024  # RFC 8446 5.1: the most plain text in a record


class TlsChannel:
    """The server's side of one TLS connection: octets in, octets out.

    All methods raise `ssl.SSLError` where the peer violates the protocol; `output` then holds the alert for it.
    """

    __slots__ = ("_incoming", "_outgoing", "_tls", "peer_closed")

    def __init__(self, context: ssl.SSLContext) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self.peer_closed = False  # the peer sent close_notify (RFC 8446 6.1)

    @property
    def version(self) -> str:
        return self._tls.version() or ""

    @property
    def cipher(self) -> str:
        found = self._tls.cipher()
        return found[0] if found else ""

    def handshake(self, octets: bytes) -> bool:
        """Continue the handshake with what the peer sent. True when it is complete."""
        self._incoming.write(octets)
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def decrypt(self, octets: bytes) -> bytes:
        """Return the plain text of all records that are complete now."""
        if len(octets) <= _PIECE:
            self._incoming.write(octets)
            return self._plain_text()
        view, plain = memoryview(octets), []
        for start in range(0, len(octets), _PIECE):
            self._incoming.write(view[start : start + _PIECE])
            plain.append(self._plain_text())
        return b"".join(plain)

    def encrypt(self, octets: bytes) -> bytes:
        """Return the records for a plain text."""
        if len(octets) <= _PIECE:
            self._tls.write(octets)
            return self._outgoing.read()
        view, records = memoryview(octets), []
        for start in range(0, len(octets), _PIECE):
            self._tls.write(view[start : start + _PIECE])
            records.append(self._outgoing.read())
        return b"".join(records)

    def output(self) -> bytes:
        """Return what the protocol itself has to send, such as the handshake, an alert or a key update; often empty."""
        return self._outgoing.read() if self._outgoing.pending else b""

    def shutdown(self) -> bytes:
        """Return the records that announce the end of our output (close_notify)."""
        try:
            self._tls.unwrap()
        except (ssl.SSLWantReadError, ssl.SSLError):
            # The answer of the peer need not be awaited (RFC 8446 6.1), and a broken channel has nothing to announce.
            return self._outgoing.read()
        return self._outgoing.read()

    def _plain_text(self) -> bytes:
        first = b""
        more: list[bytes] = []
        while self._incoming.pending or self._tls.pending():
            try:
                block = self._tls.read(_RECORD)
            except ssl.SSLWantReadError:
                break
            if not block:
                self.peer_closed = True
                break
            if first:
                more.append(block)
            else:
                first = block
        return first if not more else b"".join((first, *more))

"""The fields that say how a message came, for engines that read them in the message (RFC 5321 4.4)."""

from __future__ import annotations

from libs.envelope import Envelope
from libs.mail.render import received


def trace(envelope: Envelope, *, hostname: str) -> bytes:
    """`Return-Path` and our own `Received`, which we write at delivery only; the engine believes the topmost one.
    Nothing where no peer is known: then the message says all that can be said.
    """
    if not envelope.peer.address:
        return b""
    sender = "".join(character if " " < character <= "~" else "?" for character in envelope.mail_from)
    return f"Return-Path: <{sender}>\r\n".encode("ascii") + received(envelope, None, hostname=hostname)

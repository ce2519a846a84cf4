"""The fields that say how a message came, for engines that read them in the message (RFC 5321 4.4)."""

from __future__ import annotations

from libs.mail.render import received
from services.antispam.message.mail_view import MailView


def trace(mail: MailView, *, hostname: str) -> bytes:
    """`Return-Path` and our own `Received`, which we write at delivery only; the engine believes the topmost one.
    Nothing where no peer is known: then the message says all that can be said.
    """
    envelope = mail.envelope
    if not envelope.peer.address:
        return b""
    if "sender" in mail.unknown:
        return received(envelope, None, hostname=hostname)
    sender = "".join(character if " " < character <= "~" else "?" for character in envelope.mail_from)
    return f"Return-Path: <{sender}>\r\n".encode("ascii") + received(envelope, None, hostname=hostname)

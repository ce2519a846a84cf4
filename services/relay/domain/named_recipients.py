"""The recipients that a local user wrote to, which antispam adds to the automatic whitelist."""

from __future__ import annotations

from collections.abc import Collection

from libs.envelope import Envelope, Recipient


def named_recipients(envelope: Envelope, taken: Collection[Recipient]) -> list[str]:
    """The addresses that an authenticated user named, among the recipients whose servers accepted the message.

    Targets of local forwards and lists are left out, and so are all recipients of automatic mail (RFC 3834 3.3).
    """
    if envelope.peer.account is None or not envelope.mail_from:
        return []
    return [to.address for to in taken if to.address.lower() == (to.original or to.address).lower()]

"""What others learn of mail that left: whom our users write to, once it was taken (R-SPAM-06)."""

from __future__ import annotations

from collections.abc import Collection

from libs.envelope import Envelope, Recipient


def named_recipients(envelope: Envelope, taken: Collection[Recipient]) -> list[str]:
    """The addresses that a signed-in user of ours named itself, among those whose servers took the message.

    Not those that a forward or a list of ours led to, nor anybody for an automatic message (RFC 3834 3.3).
    """
    if envelope.peer.account is None or not envelope.mail_from:
        return []
    return [to.address for to in taken if to.address.lower() == (to.original or to.address).lower()]

"""Delivery status notifications (RFC 3464): one for each message, event and recipients, however often it is asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from hashlib import sha256

from libs.envelope import Envelope
from libs.letters.post import IngressPost
from libs.mail.dsn import FailedRecipient, delivery_status
from libs.mail.headers import Headers


class Notifications:
    """`author` is the address that they come from, `hostname` the server that reports."""

    def __init__(self, post: IngressPost, *, hostname: str, author: str, clock: Callable[[], datetime]) -> None:
        self._post = post
        self._hostname = hostname
        self._author = author
        self._clock = clock

    async def report(
        self, envelope: Envelope, raw: bytes, recipients: Sequence[FailedRecipient], *, event: str
    ) -> None:
        """To the envelope sender. `event` is part of the key. Raises `Temporary`; `Permanent` when nobody takes it."""
        addresses = " ".join(sorted(recipient.address for recipient in recipients))
        key = f"dsn:{event}:{envelope.id}:{sha256(addresses.encode()).hexdigest()[:32]}"
        notification = delivery_status(
            to=envelope.mail_from,
            author=self._author,
            recipients=recipients,
            reporting_mta=self._hostname,
            original_headers=Headers(raw).raw,
            now=self._clock(),
            message_id=f"<{sha256(key.encode()).hexdigest()[:32]}@{self._hostname}>",
            envelope_id=envelope.envid,
            arrived=envelope.received_at,
        )
        await self._post.send(notification, to=envelope.mail_from, key=key)

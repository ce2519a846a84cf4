"""Notifications go in through ingress, like any other mail."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from hashlib import sha256

from libs.envelope import Envelope, Permanent
from libs.http import Client
from libs.mail.dsn import FailedRecipient, delivery_status
from libs.mail.headers import Headers


class IngressReporter:
    """`POST /v1/messages` of ingress with the null sender; its idempotency key makes a notification single."""

    def __init__(self, client: Client, *, hostname: str, author: str, clock: Callable[[], datetime]) -> None:
        self._client = client
        self._hostname = hostname
        self._author = author
        self._clock = clock

    async def report(self, envelope: Envelope, raw: bytes, recipients: Sequence[FailedRecipient]) -> None:
        addresses = " ".join(sorted(recipient.address for recipient in recipients))
        key = f"dsn:store:{envelope.id}:{sha256(addresses.encode()).hexdigest()[:32]}"
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
        response = await self._client.call(
            "POST",
            "/v1/messages",
            params={"from": "", "to": envelope.mail_from},
            content=notification,
            headers={"Content-Type": "message/rfc822", "Idempotency-Key": key},
        )
        if response.is_error:
            raise Permanent(f"notification: {response.status_code} {response.text[:200]}")

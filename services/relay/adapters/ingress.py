"""Notifications go in through ingress, like any other mail."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from hashlib import sha256

from libs.envelope import Mail, Permanent, Recipient
from libs.http import Client
from libs.mail.dsn import Action, FailedRecipient, delivery_status
from libs.mail.headers import Headers
from services.relay.domain.replies import Result

_ACTIONS = {"failed": Action.FAILED, "delayed": Action.DELAYED}


class IngressReporter:
    """`POST /v1/messages` of ingress with the null sender; its idempotency key makes a notification single."""

    def __init__(self, client: Client, *, hostname: str, author: str, clock: Callable[[], datetime]) -> None:
        self._client = client
        self._hostname = hostname
        self._author = author
        self._clock = clock

    async def report(self, mail: Mail, recipients: Sequence[tuple[Recipient, Result]], *, event: str, to: str) -> None:
        addresses = " ".join(sorted(recipient.address for recipient, _ in recipients))
        key = f"dsn:{event}:{mail.envelope.id}:{sha256(addresses.encode()).hexdigest()[:32]}"
        notification = delivery_status(
            to=to,
            author=self._author,
            recipients=[_reported(recipient, result, _ACTIONS[event]) for recipient, result in recipients],
            reporting_mta=self._hostname,
            original_headers=Headers(mail.raw).raw,
            now=self._clock(),
            message_id=f"<{sha256(key.encode()).hexdigest()[:32]}@{self._hostname}>",
            envelope_id=mail.envelope.envid,
            arrived=mail.envelope.received_at,
        )
        response = await self._client.call(
            "POST",
            "/v1/messages",
            params={"from": "", "to": to},
            content=notification,
            headers={"Content-Type": "message/rfc822", "Idempotency-Key": key},
        )
        if response.is_error:
            raise Permanent(f"notification: {response.status_code} {response.text[:200]}")


def _reported(recipient: Recipient, result: Result, action: Action) -> FailedRecipient:
    return FailedRecipient(
        address=recipient.address,
        original=recipient.orcpt,
        action=action,
        status=result.status,
        diagnostic=result.text,
        remote_mta=result.server,
    )

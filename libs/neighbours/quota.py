"""The API of quota: usage and limits of mailboxes, send limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import AwareDatetime

from libs.http import Client
from libs.neighbours.operations import Operation, WireModel, misfits_are_temporary

MAX_LIMITS = 1000  # mailboxes in one question


class UsageView(WireModel):
    """What a mailbox holds and may hold; null is no limit."""

    used_bytes: int
    limit_bytes: int | None


class LimitQueryResult(WireModel):
    """Bytes by mailbox."""

    limits: Mapping[str, int]


class SendDecision(WireModel):
    """Whether a message may be sent now; `retry_at` is None when waiting does not help."""

    allowed: bool
    retry_at: AwareDatetime | None = None
    reason: str = ""


USAGE = Operation("GET", "/v1/usage/{address}", UsageView)
LIMITS = Operation("POST", "/v1/limits/queries", LimitQueryResult)
SEND = Operation("POST", "/v1/sends", SendDecision)
OPERATIONS = (USAGE, LIMITS, SEND)


class QuotaClient:
    """All methods raise `Temporary`."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def usage(self, account: str) -> UsageView | None:
        """None when quota knows of no such mailbox."""
        with misfits_are_temporary():
            return await USAGE.find(self._client, account)

    async def limits(self, addresses: Sequence[str]) -> Mapping[str, int]:
        """The limits of at most `MAX_LIMITS` mailboxes, without those that have none."""
        with misfits_are_temporary():
            return (await LIMITS.ask(self._client, json={"addresses": list(addresses)})).limits

    async def attempt_send(self, key: str, send_class: str, recipients: int) -> SendDecision:
        """Check the send limit of `key` and count the message, in one step: never to be cached."""
        body = {"key": key, "class": send_class, "recipients": recipients}
        with misfits_are_temporary():
            return await SEND.ask(self._client, json=body)

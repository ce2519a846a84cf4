"""The API of store: totals of mailboxes, messages."""

from __future__ import annotations

from libs.envelope import Permanent
from libs.http import Client
from libs.neighbours.operations import Operation, WireModel, is_missing


class MailboxTotals(WireModel):
    """Exact totals of a mailbox; the newest `version` wins."""

    used_bytes: int
    messages: int
    version: int


class RawMessage(WireModel):
    """The octets of a message, not JSON."""


USAGE = Operation("GET", "/v1/mailboxes/{address}/usage", MailboxTotals)
RAW_MESSAGE = Operation("GET", "/v1/mailboxes/{address}/messages/{id}/raw", RawMessage)
OPERATIONS = (USAGE, RAW_MESSAGE)


class StoreClient:
    """All methods raise `Temporary`, and `Permanent` for a 4xx or an answer that does not fit."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def recount(self, address: str) -> MailboxTotals | None:
        """Count the messages of a mailbox anew; None when there is no such mailbox."""
        return await USAGE.find(self._client, address, params={"recount": "true"})

    async def raw(self, mailbox: str, id: str) -> bytes | None:
        """A message as the mailbox shows it; None when it is gone."""
        path = RAW_MESSAGE.target(mailbox, id)
        response = await self._client.call("GET", path)
        if is_missing(response):
            return None
        if response.is_error:
            raise Permanent(f"{path}: {response.status_code} {response.text[:200]}")
        return response.content

"""The API of antispam: the screening of recipients at RCPT, policies, lists of senders."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import AwareDatetime

from libs.envelope import Permanent
from libs.http import Client
from libs.neighbours.operations import Operation, WireModel


class ReceptionRules(WireModel):
    """What is to be known of a domain at RCPT: `purposes` are addresses whose mail antispam takes itself."""

    greylists: bool = False
    purposes: Mapping[str, str] = {}


class Admission(WireModel):
    """Whether mail may come in; the answer may be kept for `keep_seconds`, for the network if `whole_network`."""

    decision: Literal["accept", "defer", "refuse"]
    note: str = ""
    retry_at: AwareDatetime | None = None
    keep_seconds: float = 0.0
    whole_network: bool = False


class QuarantinePolicy(WireModel):
    """The part of a policy that is about the quarantine. An older antispam leaves fields out."""

    notices: bool = True
    notices_to_own_senders: bool = True
    validation_whitelists: bool = True
    digest: Literal["off", "daily", "weekly"] = "off"
    language: Literal["en", "fr"] = "en"


class PolicyView(WireModel):
    """The policy that is in force for a domain."""

    policy: QuarantinePolicy


class ListEntry(WireModel):
    """An entry of a list; nothing of it is read."""


RECEPTION = Operation("GET", "/v1/receptions/{domain}", ReceptionRules)
ADMISSION = Operation("POST", "/v1/admissions", Admission)
POLICY = Operation("GET", "/v1/policies/{domain}", PolicyView)
LIST = Operation("POST", "/v1/lists/{name}", ListEntry)
OPERATIONS = (RECEPTION, ADMISSION, POLICY, LIST)


class AntispamClient:
    """All methods raise `Temporary`, and `Permanent` for a 4xx or an answer that does not fit."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def reception(self, domain: str) -> ReceptionRules:
        """Whether `domain` greylists, and which of its addresses are special."""
        return await RECEPTION.ask(self._client, domain)

    async def admission(self, *, peer: str, sender: str, recipient: str, domain: str, account: str | None) -> Admission:
        """Whether mail for `recipient` may come in now, or `account` may train."""
        body = {"peer": peer, "sender": sender, "recipient": recipient, "domain": domain, "account": account}
        return await ADMISSION.ask(self._client, json=body)

    async def policy(self, domain: str) -> QuarantinePolicy:
        """What the policy of `domain` says of the quarantine. `Permanent` where antispam knows no such domain."""
        return (await POLICY.ask(self._client, domain)).policy

    async def list_sender(self, colour: Literal["white", "black"], value: str, *, domain: str, comment: str) -> bool:
        """Add a sender to a list; an entry that is there stays. False when antispam refuses the value as a sender."""
        entry = {"value": value, "domain": domain, "comment": comment}
        response = await self._client.call("POST", LIST.target(f"sender_{colour}"), json=entry)
        if response.is_error and response.status_code != 422:
            raise Permanent(f"list: {response.status_code} {response.text[:200]}")
        return not response.is_error

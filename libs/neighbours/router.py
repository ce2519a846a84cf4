"""The API of router: recipients, logins, senders, accounts, retention of Junk."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

from pydantic import AwareDatetime

from libs.http import Client
from libs.http.client import read_answer
from libs.neighbours.operations import Operation, WireModel, misfits_are_temporary

_PAGE = 200  # domains in one answer


class RecipientStatus(WireModel):
    """What the router says of an address: `domain` is the main domain of ours, `account` the mailbox if it is one.

    `reason` of an unknown one is an RFC 3463 status and a sentence.
    """

    status: Literal["local", "unknown", "not_ours"]
    domain: str = ""
    account: str | None = None
    max_size_bytes: int | None = None
    reason: str = ""


class Identity(WireModel):
    """The account that a login and its password belong to."""

    account: str
    may_send: bool = True


class SenderRights(WireModel):
    """What an account may send as."""

    addresses: tuple[str, ...]
    may_send: bool = True
    profile: str = "standard"


class AccountBirth(WireModel):
    """`made_at` tells it from another account that had the address before."""

    made_at: AwareDatetime


class JunkRetention(WireModel):
    """How many days a domain keeps Junk."""

    domain: str
    days: int


class JunkRetentions(WireModel):
    """A page of the domains that empty Junk by age."""

    items: list[JunkRetention]
    next: str | None = None


RECIPIENT = Operation("GET", "/v1/recipients/{address}", RecipientStatus)
AUTHENTICATE = Operation("POST", "/v1/authentications", Identity)
SENDER = Operation("GET", "/v1/senders/{account}", SenderRights)
ACCOUNT = Operation("GET", "/v1/births/{account}", AccountBirth)
JUNK_RETENTIONS = Operation("GET", "/v1/junk-keeps", JunkRetentions)
OPERATIONS = (RECIPIENT, AUTHENTICATE, SENDER, ACCOUNT, JUNK_RETENTIONS)

# 401 wrong, 423 suspended; the rest is said of a login or a password that cannot be one.
_REFUSED = frozenset({401, 403, 404, 422, 423})


class RouterClient:
    """All methods raise `Temporary`, also for an answer that cannot be read: mail waits for a better one."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def recipient(self, address: str) -> RecipientStatus:
        """Whether mail for `address` can be delivered, and to whom."""
        with misfits_are_temporary():
            return await RECIPIENT.ask(self._client, address)

    async def authenticate(self, login: str, password: str) -> Identity | None:
        """None for an unknown login, a wrong password and a suspended account alike."""
        path = AUTHENTICATE.target()
        response = await self._client.call("POST", path, json={"login": login, "password": password})
        if response.status_code in _REFUSED:
            return None
        with misfits_are_temporary():
            return read_answer(Identity, path, response)

    async def sender(self, account: str) -> SenderRights | None:
        """What `account` may send as; None when there is no such account."""
        with misfits_are_temporary():
            return await SENDER.find(self._client, account)

    async def profile(self, account: str) -> str | None:
        """The profile of `account`, as `manager`; None when there is no such account."""
        sender = await self.sender(account)
        return None if sender is None else sender.profile

    async def made_at(self, account: str) -> datetime | None:
        """When the account was made that has this address now; None when there is none."""
        with misfits_are_temporary():
            found = await ACCOUNT.find(self._client, account)
        return None if found is None else found.made_at

    async def junk_retentions(self) -> dict[str, timedelta]:
        """How long Junk is kept, of the domains that empty it."""
        retentions: dict[str, timedelta] = {}
        after: str | None = ""
        while after is not None:
            with misfits_are_temporary():
                page = await JUNK_RETENTIONS.ask(self._client, params={"after": after, "limit": _PAGE})
            retentions |= {item.domain: timedelta(days=item.days) for item in page.items}
            after = page.next
        return retentions

"""The events between services, in the past tense. An event is a fact, so that handling it twice does no harm.

A row of a service's table of `EventHandler`s names the class of its events; the runtime decodes them. `to_bus` and
`from_bus` are the two ends of the wire.
"""

from __future__ import annotations

from typing import Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from libs.bus.ports import Event
from libs.envelope import Permanent


class UnreadableEvent(Permanent):
    """The payload is no such fact, and no further try will read it: a dead letter at once."""


class Fact(BaseModel):
    """Frozen; unknown fields are ignored, for a rolling update mixes versions."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    def to_bus(self) -> Event:
        """The event under the name of its class."""
        return Event(type(self).__name__, self.model_dump_json().encode())

    @classmethod
    def from_bus(cls, event: Event) -> Self:
        """Raises `UnreadableEvent` when the payload is no such fact."""
        try:
            return cls.model_validate_json(event.payload)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False, include_context=False)[0]
            where = ".".join(map(str, first["loc"]))
            raise UnreadableEvent(f"{event.name} is not readable: {where} {first['msg']}".replace("  ", " ")) from error


class DomainChanged(Fact):
    """router: a domain was made, changed or deleted, or got another name: `alias` is the alias domain that was made.

    `quota_bytes` is the limit that was asked for at `quota_at` for its accounts (None: no moment, no wish).
    """

    domain: str
    alias: str = ""
    quota_bytes: int | None = None
    quota_at: AwareDatetime | None = None


class AccountChanged(Fact):
    """router: an account was made, changed, suspended, or its password changed.

    `made_at` tells it from another account that had the address before. `quota_bytes` is the limit that was asked for
    at `quota_at`: quota owns the limit that counts, and keeps a younger one (None: a router that says no moment).
    """

    address: str
    made_at: AwareDatetime | None = None
    quota_bytes: int | None = None
    quota_at: AwareDatetime | None = None
    profile: str = "standard"


class AccountDeleted(Fact):
    """router: an account is gone since `deleted_at` (None: not said); its folders and its usage follow.

    However late it is handled, a younger account of the same address keeps its own data.
    """

    address: str
    deleted_at: AwareDatetime | None = None


class RoutesChanged(Fact):
    """router: an alias, forward, redirect, replication or catch-all changed; any cached route may be stale."""

    address: str


class MailboxUsageChanged(Fact):
    """store: absolute totals of a mailbox. `version` grows with every change: the newest wins, in any order.

    `made_at` is when its account was made, where that is known: totals of a former account of the address are none.
    """

    address: str
    used_bytes: int
    messages: int
    version: int
    made_at: AwareDatetime | None = None


class QuotaChanged(Fact):
    """quota: the limit of an account (or, as `@domain`, of a whole domain) changed, or it went over or under it."""

    address: str


class PolicyChanged(Fact):
    """antispam: the policy, the lists or the rules of a domain changed (empty: of all)."""

    domain: str = ""


class PeerBlacklisted(Fact):
    """antispam, ingress: a peer address is refused at connect until `until_epoch` (seconds, UTC)."""

    address: str
    until_epoch: float
    reason: str = ""


class MailQuarantined(Fact):
    """store: a message is in the quarantine, for so many recipients of these domains and accounts of ours."""

    id: str
    reason: str
    infected: bool = False
    domains: list[str] = []
    accounts: list[str] = []


class VirusFound(Fact):
    """antivirus: a message is infected, and on its way into the quarantine. `engines` are those that saw it."""

    id: str
    names: list[str]
    engines: list[str]


class FingerprintChanged(Fact):
    """antivirus: an attachment (`sha256`, hex) was entered in the fingerprint database."""

    sha256: str


class BayesLearned(Fact):
    """antispam: the statistics of a domain (empty: those for all) learned or forgot a message."""

    domain: str = ""


class MailReleased(Fact):
    """store: a message left the quarantine for recipients of these domains and accounts of ours."""

    id: str
    domains: list[str]
    accounts: list[str] = []


class MailRelayed(Fact):
    """relay: other servers took a message that `account` sent; `recipients` are those whom it named itself."""

    id: str
    account: str
    recipients: list[str]


class MailParked(Fact):
    """relay: a message ended at these recipients, and only an operator could be notified: it is a dead letter."""

    id: str
    recipients: list[str]
    reason: str


class JunkMoved(Fact):
    """store: messages of a mailbox were moved into Junk (`spam`), or back out of it."""

    mailbox: str
    ids: list[str]
    spam: bool


class SenderTrusted(Fact):
    """antispam: addresses are in the automatic whitelist of a domain of ours now."""

    domain: str
    addresses: list[str]


class SenderValidated(Fact):
    """store: a sender in the quarantine proved to be a person; antispam whitelists it for a domain of ours."""

    domain: str
    address: str

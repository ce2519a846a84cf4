"""Who may relay (RFC 5321 3.6.1), and forms of addresses that circumvent it (RFC 5321 F.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from libs.envelope import Recipient
from libs.envelope.model import Listener
from libs.mail.address import Path, canonical

SendClass = Literal["webmail", "internal", "external", "relay"]


@dataclass(frozen=True, slots=True)
class Login:
    """The account that authenticated."""

    account: str


@dataclass(frozen=True, slots=True)
class AcceptedRecipient:
    """A recipient that was accepted, and the largest message for it. Two with the same `key` are one."""

    key: str
    recipient: Recipient
    max_size_bytes: int


@dataclass(frozen=True, slots=True)
class Submitter:
    """The peer that submits a message. `relays`: its address may relay without authentication."""

    listener: Listener
    address: str
    login: Login | None = None
    internal: bool = False
    relays: bool = False

    @property
    def may_relay(self) -> bool:
        """Tell whether recipients of other domains are accepted: only from known submitters."""
        return self.login is not None or self.relays or self.listener == "http"

    @property
    def is_stranger(self) -> bool:
        """Tell whether this is another mail server at the MX port; greylisting and honeypots concern strangers only."""
        return self.listener == "mx" and self.login is None and not self.internal

    def send_class(self, *, remote: bool) -> SendClass | None:
        """Return the class whose send limits apply; None for mail of strangers to local mailboxes."""
        if self.listener == "http":
            return "webmail" if self.login else None
        if self.login:
            return "internal" if self.internal else "external"
        return "relay" if self.relays and remote else None

    @property
    def send_key(self) -> str:
        """Return the key of the send counters."""
        return self.login.account if self.login else self.address


def canonical_of(path: Path) -> str:
    """Return the canonical form of a path that is parsed already; `canonical` would parse it again."""
    return f"{path.local.lower()}@{path.domain}" if path.local.isascii() else canonical(path.address)


def is_relay_trick(path: Path) -> bool:
    """Tell whether a recipient hides another one behind a local domain, or names a host by its address.

    Such as `user%remote@local`, `remote!user@local`, `"user@remote"@local`; `user@[192.0.2.1]` would make relay connect
    to any host that the peer picks. The parser removes a source route: the path behind it is judged like any other.
    """
    return path.domain.startswith("[") or any(mark in path.local for mark in "%!@")

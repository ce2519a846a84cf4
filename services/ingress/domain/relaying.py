"""Who may send through us, and the old tricks to make others do it (RFC 5321 3.6.1, appendix F.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from libs.envelope import Recipient
from libs.envelope.model import Listener
from libs.mail.address import Path, canonical

SendClass = Literal["webmail", "internal", "external", "relay"]


@dataclass(frozen=True, slots=True)
class Login:
    """Who authenticated."""

    account: str


@dataclass(frozen=True, slots=True)
class AcceptedRecipient:
    """A recipient that was taken, and the most that it takes. Two with the same `key` are one."""

    key: str
    recipient: Recipient
    max_size_bytes: int


@dataclass(frozen=True, slots=True)
class Submitter:
    """Who hands a message in. `relays` means that this address may relay without authentication."""

    listener: Listener
    address: str
    login: Login | None = None
    internal: bool = False
    relays: bool = False

    @property
    def may_relay(self) -> bool:
        """Relaying is for nobody but those that we know (R-IN-02)."""
        return self.login is not None or self.relays or self.listener == "http"

    @property
    def is_stranger(self) -> bool:
        """Another server, at the MX: what is asked of strangers is asked of nobody else."""
        return self.listener == "mx" and self.login is None and not self.internal

    def send_class(self, *, remote: bool) -> SendClass | None:
        """The class whose limits count (R-IN-07); mail of strangers to our mailboxes has none."""
        if self.listener == "http":
            return "webmail" if self.login else None
        if self.login:
            return "internal" if self.internal else "external"
        return "relay" if self.relays and remote else None

    @property
    def send_key(self) -> str:
        """The key of the send counters."""
        return self.login.account if self.login else self.address


def canonical_of(path: Path) -> str:
    """The key of a path that was parsed: it is normal already, and `canonical` would parse it again."""
    return f"{path.local.lower()}@{path.domain}" if path.local.isascii() else canonical(path.address)


def is_relay_trick(path: Path) -> bool:
    """A recipient that hides another behind our domain, or names a host by its address.

    `user%foreign@ours`, `foreign!user@ours`, `"user@foreign"@ours`; `user@[192.0.2.1]` would make us connect to any
    host that the peer picks. A source route is cut off by the parser: what stands behind it is judged like the rest.
    """
    return path.domain.startswith("[") or any(mark in path.local for mark in "%!@")

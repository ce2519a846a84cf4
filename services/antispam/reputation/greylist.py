"""Greylisting (R-IN-14): who is new waits a little, since most spam is never sent a second time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Literal

from libs.network import Ip, network_of


@dataclass(frozen=True, slots=True)
class GreylistTimes:
    """How long a new triplet waits, for how long its retry counts, how long it is known then; after how many
    triplets that passed a network is believed without."""

    delay: timedelta
    window: timedelta
    memory: timedelta
    successes: int
    by: Literal["recipient", "domain"]


@dataclass(frozen=True, slots=True)
class Triplet:
    """A network, an envelope sender (lower case, empty for none), a recipient or its domain."""

    network: str
    sender: str
    recipient: str

    @property
    def key(self) -> str:
        """32 hex digits: short, and no address lies in a database longer than it must."""
        text = f"{self.network}\0{self.sender}\0{self.recipient}"
        return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class GreylistState:
    """When the triplet was seen first, and when it passed (None: not yet); `newly` when it passed just now."""

    first_at: datetime
    passed_at: datetime | None
    newly: bool

    @property
    def waited(self) -> timedelta | None:
        return None if self.passed_at is None else self.passed_at - self.first_at


def greylisted_network(peer: Ip) -> str:
    """A sender's queue runners share a network, and retries come from any of them."""
    return network_of(peer, ipv4_prefix=24, ipv6_prefix=64)


def to_milliseconds(moment: datetime) -> datetime:
    """As MongoDB keeps it."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)

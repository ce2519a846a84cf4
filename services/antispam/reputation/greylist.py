"""Greylisting at RCPT (RFC 6647 2.4): the first attempt of a new triplet is deferred; most spam is never retried."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Literal

from libs.network import Ip, network_of


@dataclass(frozen=True, slots=True)
class GreylistTimes:
    """The parameters of greylisting.

    A new triplet waits for `delay`; its retry must come within `retry_window`, and then it is known for `retention`.
    From `network_passes` passed triplets on, their network is not greylisted. `per` is the last part of a triplet.
    """

    delay: timedelta
    retry_window: timedelta
    retention: timedelta
    network_passes: int
    per: Literal["recipient", "domain"]


@dataclass(frozen=True, slots=True)
class Triplet:
    """A peer's network, an envelope sender (lower case, empty for the null sender), a recipient or its domain."""

    network: str
    sender: str
    recipient: str

    @property
    def key(self) -> str:
        """Return 32 hex digits: they are short, and keep addresses out of the database."""
        text = f"{self.network}\0{self.sender}\0{self.recipient}"
        return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class GreylistState:
    """The first attempt of a triplet, and when it passed (None while it waits); `newly` if by this attempt."""

    first_at: datetime
    passed_at: datetime | None
    newly: bool

    @property
    def waited(self) -> timedelta | None:
        """Return the time between the first attempt and the one that passed, None while the triplet waits."""
        return None if self.passed_at is None else self.passed_at - self.first_at


def greylisted_network(peer: Ip) -> str:
    """Return the /24 or /64 of a peer: a retry may come from another host of the same sender."""
    return network_of(peer, ipv4_prefix=24, ipv6_prefix=64)


def to_milliseconds(moment: datetime) -> datetime:
    """Round a time down to milliseconds, the precision of MongoDB."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)

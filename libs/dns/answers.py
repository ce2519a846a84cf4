"""What DNS says, as small frozen types."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Address, IPv6Address
from typing import Generic, TypeVar

R = TypeVar("R")
Ip = IPv4Address | IPv6Address


class AnswerKind(Enum):
    """The record types that mail needs."""

    A = "A"
    AAAA = "AAAA"
    MX = "MX"
    TXT = "TXT"
    PTR = "PTR"


@dataclass(frozen=True, slots=True, order=True)
class Mx:
    """RFC 5321 5.1. `exchange` is in lower case without its final dot; empty for the null MX (RFC 7505)."""

    preference: int
    exchange: str


@dataclass(frozen=True, slots=True)
class DnsAnswer(Generic[R]):
    """`records` is empty when the name has none of that type (NODATA), and when it does not exist (NXDOMAIN)."""

    records: tuple[R, ...] = ()
    exists: bool = True

    def __bool__(self) -> bool:
        return bool(self.records)


def reverse_name(address: Ip, zone: str = "") -> str:
    """`1.2.0.192.in-addr.arpa` (RFC 1035 3.5), nibbles in `ip6.arpa` (RFC 3596 2.5), or the same under `zone`
    (RFC 5782 2.1 and 2.4)."""
    name = address.reverse_pointer
    return name if not zone else f"{name.removesuffix('.in-addr.arpa').removesuffix('.ip6.arpa')}.{zone}"

"""Lists in DNS: who stands on them (RFC 5782), and how many of them must say so."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from libs.dns import Answer, Resolver
from libs.envelope import Temporary

# RFC 5782 2.1: what is listed has an address here. Anything else is a parked domain's or a captive portal's.
_LISTED = IPv4Network("127.0.0.0/8")
# What total answer to who may not ask, or asks wrongly: their own numbers, not an entry.
_NO_ENTRY = (IPv4Network("127.255.255.0/24"), IPv4Network("127.0.0.1/32"), IPv4Network("127.0.1.255/32"))


@dataclass(frozen=True, slots=True)
class BlocklistResult:
    """What the total say about one thing: those that have it, those that did not answer, how many there are."""

    listed_by: tuple[str, ...]
    unanswered: tuple[str, ...]
    total: int

    @property
    def is_listed(self) -> bool:
        """By at least half of them."""
        return bool(self.listed_by) and 2 * len(self.listed_by) >= self.total

    @property
    def is_undecided(self) -> bool:
        """Those that did not answer could have made the difference."""
        return (
            bool(self.unanswered)
            and not self.is_listed
            and 2 * (len(self.listed_by) + len(self.unanswered)) >= self.total
        )


async def look_up(resolver: Resolver, zones: Sequence[str], name_under: Callable[[str], str]) -> BlocklistResult:
    """All lists are asked at the same time; `name_under` gives the name to ask for under a list's zone."""
    answers = await asyncio.gather(*(_has(resolver, name_under(zone)) for zone in zones))
    listed_by = tuple(zone for zone, has in zip(zones, answers, strict=True) if has)
    unanswered = tuple(zone for zone, has in zip(zones, answers, strict=True) if has is None)
    return BlocklistResult(listed_by, unanswered, len(zones))


async def _has(resolver: Resolver, name: str) -> bool | None:
    """None when the list did not say."""
    try:
        return _read(await resolver.a(name))
    except Temporary:
        return None


def _read(answer: Answer[IPv4Address]) -> bool | None:
    codes = [address for address in answer.records if address in _LISTED]
    entries = [code for code in codes if not any(code in network for network in _NO_ENTRY)]
    return None if codes and not entries else bool(entries)

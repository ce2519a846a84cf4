"""DNS blocklists (RFC 5782): whether enough of them list an address or a domain."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from libs.dns import DnsAnswer, Resolver
from libs.envelope import Temporary

# RFC 5782 2.1: the answer for an entry is in this network. Others come from parked domains and captive portals.
_LISTED = IPv4Network("127.0.0.0/8")
# Answers of lists to clients that may not ask or ask wrongly: status codes, not entries.
_NO_ENTRY = (IPv4Network("127.255.255.0/24"), IPv4Network("127.0.0.1/32"), IPv4Network("127.0.1.255/32"))


@dataclass(frozen=True, slots=True)
class BlocklistResult:
    """The answers about one name: the lists that have it, the lists that did not answer, the number of lists."""

    listed_by: tuple[str, ...]
    unanswered: tuple[str, ...]
    total: int

    @property
    def is_listed(self) -> bool:
        """Whether at least half of the lists have it."""
        return bool(self.listed_by) and 2 * len(self.listed_by) >= self.total

    @property
    def is_undecided(self) -> bool:
        """Whether the lists that did not answer could have changed the result."""
        return (
            bool(self.unanswered)
            and not self.is_listed
            and 2 * (len(self.listed_by) + len(self.unanswered)) >= self.total
        )


async def look_up(resolver: Resolver, zones: Sequence[str], name_under: Callable[[str], str]) -> BlocklistResult:
    """Ask all lists at the same time; `name_under` makes the name to look up under the zone of a list."""
    answers = await asyncio.gather(*(_is_on(resolver, name_under(zone)) for zone in zones))
    listed_by = tuple(zone for zone, has in zip(zones, answers, strict=True) if has)
    unanswered = tuple(zone for zone, has in zip(zones, answers, strict=True) if has is None)
    return BlocklistResult(listed_by, unanswered, len(zones))


async def _is_on(resolver: Resolver, name: str) -> bool | None:
    """None if the list did not answer."""
    try:
        return _read(await resolver.a(name))
    except Temporary:
        return None


def _read(answer: DnsAnswer[IPv4Address]) -> bool | None:
    codes = [address for address in answer.records if address in _LISTED]
    entries = [code for code in codes if not any(code in network for network in _NO_ENTRY)]
    return None if codes and not entries else bool(entries)

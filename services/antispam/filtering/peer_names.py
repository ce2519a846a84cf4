"""The names of the peer's address in DNS, and which of them resolve back to it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from ipaddress import IPv4Address

from libs.dns import DnsAnswer, Ip, Resolver
from services.antispam.filtering.context import FilterContext
from services.antispam.message.mail_view import MailView

_NAMES = 5  # the owner of an address may publish thousands of names for it


@dataclass(frozen=True, slots=True)
class PeerNames:
    """`claimed` by the owner of the address, `confirmed` by the owners of the names (RFC 8601 2.7.3)."""

    claimed: tuple[str, ...] = ()
    confirmed: tuple[str, ...] = ()


async def peer_names_of(mail: MailView, context: FilterContext) -> PeerNames:
    """Look up the names of the peer, which must be known, once per message. Raises `Temporary`."""
    peer = mail.peer
    assert peer is not None
    return await mail.fetch_once("peer_names", lambda: _look_up(peer, context.environment.dns))


async def _look_up(peer: Ip, resolver: Resolver) -> PeerNames:
    claimed = (await resolver.ptr(peer)).records[:_NAMES]
    answers = await asyncio.gather(*(addresses_of(resolver, name, peer) for name in claimed), return_exceptions=True)
    answered = [(name, answer) for name, answer in zip(claimed, answers, strict=True) if isinstance(answer, DnsAnswer)]
    confirmed = tuple(name for name, answer in answered if peer in answer.records)
    for answer in answers:
        if isinstance(answer, BaseException) and not confirmed:
            raise answer
    return PeerNames(claimed, confirmed)


async def addresses_of(resolver: Resolver, name: str, peer: Ip) -> DnsAnswer[Ip]:
    """Look up the addresses of `name` of the peer's family. Raises `Temporary`."""
    found = await (resolver.a(name) if isinstance(peer, IPv4Address) else resolver.aaaa(name))
    return DnsAnswer(tuple(found.records), exists=found.exists)

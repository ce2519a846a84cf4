"""The names of the peer's address, and which of them are really its own."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from ipaddress import IPv4Address

from libs.dns import Answer, Ip, Resolver
from services.antispam.filtering.context import Context
from services.antispam.message.mail_view import MailView

_NAMES = 5  # anybody may put thousands of names at an address of his own


@dataclass(frozen=True, slots=True)
class PeerNames:
    """`claimed` by the owner of the address, `confirmed` by the owners of the names (RFC 8601 2.7.3)."""

    claimed: tuple[str, ...] = ()
    confirmed: tuple[str, ...] = ()


async def peer_names_of(mail: MailView, context: Context) -> PeerNames:
    """Asked once a message. Raises `Temporary`. The peer is known."""
    peer = mail.peer
    assert peer is not None
    return await mail.fetch_once("peer_names", lambda: _ask(peer, context.environment.dns))


async def _ask(peer: Ip, resolver: Resolver) -> PeerNames:
    claimed = (await resolver.ptr(peer)).records[:_NAMES]
    answers = await asyncio.gather(*(addresses(resolver, name, peer) for name in claimed), return_exceptions=True)
    told = [(name, answer) for name, answer in zip(claimed, answers, strict=True) if isinstance(answer, Answer)]
    confirmed = tuple(name for name, answer in told if peer in answer.records)
    for answer in answers:
        if isinstance(answer, BaseException) and not confirmed:
            raise answer
    return PeerNames(claimed, confirmed)


async def addresses(resolver: Resolver, name: str, peer: Ip) -> Answer[Ip]:
    """Of the peer's family. Raises `Temporary`."""
    found = await (resolver.a(name) if isinstance(peer, IPv4Address) else resolver.aaaa(name))
    return Answer(tuple(found.records), exists=found.exists)

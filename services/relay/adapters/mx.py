"""Where the mail of a domain goes: its MX, its address, or the smarthost."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Sequence
from typing import TypeVar

from libs.dns import Answer, Resolver
from libs.envelope import Permanent, Temporary
from services.relay.ports import Host

R = TypeVar("R")


class Smarthost:
    """One server for everything."""

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        if not host or not port.isdigit():
            raise ValueError(f"setting relay.smarthost: HOST:PORT expected, got {address!r}")
        self._host = Host(host, host.strip("[]"), int(port))

    async def hosts(self, domain: str) -> Sequence[Host]:
        return (self._host,)


class MailExchangers:
    """RFC 5321 5.1: MX by preference, equal ones in random order, else the domain's own address."""

    def __init__(self, resolver: Resolver, *, smtp_port: int, own_name: str) -> None:
        self._resolver = resolver
        self._smtp_port = smtp_port
        self._own_name = own_name

    async def hosts(self, domain: str) -> Sequence[Host]:
        if domain.startswith("["):
            return (Host(domain, domain.strip("[]").removeprefix("IPv6:"), self._smtp_port),)
        names = await self._exchangers(domain)
        found = [Host(name, address, self._smtp_port) for name in names for address in await self._addresses(name)]
        if not found:
            raise Permanent(f"5.4.4 no address for {domain}")
        return found

    async def _exchangers(self, domain: str) -> list[str]:
        answer = await _told(self._resolver.mx(domain))
        if not answer.exists:
            raise Permanent(f"5.1.2 there is no domain {domain}")
        if not answer:
            return [domain]
        records = [(mx.preference, random.random(), mx.exchange) for mx in answer.records]
        if [name for _, _, name in records] == [""]:
            raise Permanent(f"5.1.10 {domain} takes no mail")  # RFC 7505 3: null MX
        ours = min((preference for preference, _, name in records if name == self._own_name), default=None)
        # RFC 5321 5.1: those of our own preference and behind us would send it back to us.
        usable = sorted(record for record in records if ours is None or record[0] < ours)
        if not usable:
            raise Permanent(f"5.4.6 {domain} leads back to us")
        return [name for _, _, name in usable]

    async def _addresses(self, name: str) -> list[str]:
        """None for a name that does not exist: the other exchangers may."""
        both = (await _told(self._resolver.a(name)), await _told(self._resolver.aaaa(name)))
        return [str(address) for answer in both for address in answer.records]


async def _told(question: Awaitable[Answer[R]]) -> Answer[R]:
    try:
        return await question
    except Temporary as error:
        raise Temporary(f"4.4.3 {error.reason}") from error

"""Where the mail of a domain goes: its MX, its address, or the smarthost."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import dns.asyncresolver
import dns.exception
import dns.resolver

from libs.envelope import Permanent, Temporary
from services.relay.ports import Host


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

    def __init__(self, *, servers: Sequence[str], dns_port: int, smtp_port: int, own_name: str) -> None:
        self._resolver = dns.asyncresolver.Resolver(configure=not servers)
        if servers:
            self._resolver.nameservers = list(servers)
            self._resolver.port = dns_port
        self._resolver.cache = dns.resolver.LRUCache(10_000)
        self._resolver.lifetime = 10.0
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
        answer = await self._ask(domain, "MX")
        records = [(r.preference, random.random(), r.exchange.to_text(omit_final_dot=True)) for r in answer]
        if not records:
            return [domain]
        if [name for _, _, name in records] in (["."], [""]):
            raise Permanent(f"5.1.10 {domain} takes no mail")  # RFC 7505 3: null MX
        ours = min((preference for preference, _, name in records if name == self._own_name), default=None)
        # RFC 5321 5.1: those of our own preference and behind us would send it back to us.
        usable = sorted(record for record in records if ours is None or record[0] < ours)
        if not usable:
            raise Permanent(f"5.4.6 {domain} leads back to us")
        return [name for _, _, name in usable]

    async def _addresses(self, name: str) -> list[str]:
        return [str(r.address) for kind in ("A", "AAAA") for r in await self._ask(name, kind)]

    async def _ask(self, name: str, kind: str) -> Sequence[Any]:
        try:
            return list(await self._resolver.resolve(name, kind, search=False))
        except dns.resolver.NoAnswer:
            return []
        except dns.resolver.NXDOMAIN as error:
            if kind == "AAAA":
                return []
            raise Permanent(f"5.1.2 there is no domain {name}") from error
        except dns.exception.DNSException as error:
            raise Temporary(f"4.4.3 DNS for {name}: {error}") from error

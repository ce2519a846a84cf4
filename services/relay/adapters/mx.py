"""Routes mail to the MX hosts of a domain, to its address, or to the smarthost."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Collection, Sequence
from ipaddress import IPv6Address, IPv6Network
from typing import TypeVar

from libs.dns import DnsAnswer, Resolver
from libs.envelope import Permanent, Temporary
from libs.network import Ip, Network, is_in, parsed
from services.relay.ports import DeliveryRoute, Host

R = TypeVar("R")

MAX_EXCHANGERS = 10  # the first ones of an MX list, by preference
MAX_ADDRESSES = 20
_TRANSLATED = (IPv6Network("64:ff9b::/96"), IPv6Network("2002::/16"))  # RFC 6052 2.1, RFC 3056 2: IPv4 inside


class Smarthost:
    """Routes all mail to one server. The operator names it, so that its address is not restricted."""

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        if not host or not port.isdigit():
            raise ValueError(f"setting relay.smarthost: HOST:PORT expected, got {address!r}")
        name = host.strip("[]")
        self._route = DeliveryRoute(address.lower(), (Host(name, name, int(port)),))

    async def route(self, domain: str) -> DeliveryRoute:
        return self._route


class MailExchangers:
    """Routes mail as RFC 5321 5.1 says: to the MX hosts by preference, equal ones in random order, else to the address
    of the domain.

    Connections go to public addresses and to `private_networks` only: an MX record may come from an attacker, and must
    not lead into the local network.
    """

    def __init__(
        self, resolver: Resolver, *, smtp_port: int, own_name: str, private_networks: Collection[Network] = ()
    ) -> None:
        self._resolver = resolver
        self._smtp_port = smtp_port
        self._own_name = own_name.lower()
        self._private_networks = tuple(private_networks)

    async def route(self, domain: str) -> DeliveryRoute:
        """Return the route. Raises `Temporary`, `Permanent`, whose reason begins with the enhanced status code."""
        if domain.startswith("["):
            return self._literal(domain)
        mx_group, names = await self._exchangers(domain)
        looked_up = await asyncio.gather(*(self._addresses(name) for name in names), return_exceptions=True)
        hosts: list[Host] = []
        failures: list[Temporary] = []
        private = False
        for name, found in zip(names, looked_up, strict=True):
            if isinstance(found, Temporary):
                failures.append(found)
            elif isinstance(found, BaseException):
                raise found
            else:
                usable = [address for address in found if self._may_connect(address)]
                private = private or len(usable) < len(found)
                hosts += [Host(name, str(address), self._smtp_port) for address in usable]
        if not hosts:
            raise _unroutable(domain, failures, private=private)
        return DeliveryRoute(mx_group, tuple(hosts[:MAX_ADDRESSES]))

    def _literal(self, domain: str) -> DeliveryRoute:
        address = parsed(domain.strip("[]").removeprefix("IPv6:"))
        if address is None:
            raise Permanent(f"5.1.2 {domain} is no address")
        if not self._may_connect(address):
            raise _unroutable(domain, (), private=True)
        return DeliveryRoute(domain.lower(), (Host(domain, str(address), self._smtp_port),))

    async def _exchangers(self, domain: str) -> tuple[str, list[str]]:
        """The MX group, and the names of its hosts in the order in which they are tried."""
        answer = await _answered(self._resolver.mx(domain))
        if not answer.exists:
            raise Permanent(f"5.1.2 there is no domain {domain}")
        if not answer:
            return domain.lower(), [domain.lower()]
        records = [(mx.preference, random.random(), mx.exchange.lower()) for mx in answer.records]
        if [name for _, _, name in records] == [""]:
            raise Permanent(f"5.1.10 {domain} takes no mail")  # RFC 7505 3: null MX
        own = min((preference for preference, _, name in records if name == self._own_name), default=None)
        # RFC 5321 5.1: hosts of the same preference as this one, or a lower one, would send the mail back.
        usable = sorted(record for record in records if record[2] and (own is None or record[0] < own))
        if not usable:
            raise Permanent(f"5.4.6 {domain} leads back to us")
        best = {name for preference, _, name in usable if preference == usable[0][0]}
        return _mx_group(best), list(dict.fromkeys(name for _, _, name in usable))[:MAX_EXCHANGERS]

    async def _addresses(self, name: str) -> list[Ip]:
        """The addresses of `name`; empty when it does not exist. Raises `Temporary` when no address is known."""
        answers = await asyncio.gather(
            _answered(self._resolver.a(name)), _answered(self._resolver.aaaa(name)), return_exceptions=True
        )
        found: list[Ip] = []
        for answer in answers:
            if isinstance(answer, BaseException):
                if not isinstance(answer, Temporary):
                    raise answer
            else:
                found += answer.records
        failures = [answer for answer in answers if isinstance(answer, Temporary)]
        if failures and not found:
            raise failures[0]
        return found

    def _may_connect(self, address: Ip) -> bool:
        if is_in(address, self._private_networks):
            return True
        plain = parsed(str(address)) or address
        inner = _inside(plain)
        return plain.is_global and not plain.is_multicast and (inner is None or self._may_connect(inner))


def _inside(address: Ip) -> Ip | None:
    """The IPv4 address that an IPv6 transition mechanism embeds in `address`."""
    if not isinstance(address, IPv6Address) or not is_in(address, _TRANSLATED):
        return None
    octets = address.packed[2:6] if address.sixtofour else address.packed[12:16]
    return parsed(".".join(map(str, octets)))


def _unroutable(domain: str, failures: Sequence[Temporary], *, private: bool) -> Temporary | Permanent:
    if failures:
        return Temporary(failures[0].reason)
    if private:
        return Permanent(f"5.4.4 {domain} leads to addresses that are not of the internet")
    return Permanent(f"5.4.4 no address for {domain}")


def _mx_group(names: Collection[str]) -> str:
    """The MX group of `names`: domains with the same most preferred hosts share it."""
    return ",".join(sorted(names)[:MAX_EXCHANGERS])


async def _answered(question: Awaitable[DnsAnswer[R]]) -> DnsAnswer[R]:
    try:
        return await question
    except Temporary as error:
        raise Temporary(f"4.4.3 {error.reason}") from error

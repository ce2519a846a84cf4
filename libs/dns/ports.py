"""The port: what services ask of DNS."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from typing import Protocol

from libs.dns.answers import DnsAnswer, Ip, Mx


class Resolver(Protocol):
    """Names are A-labels with or without the final dot, in any case; one that DNS cannot hold does not exist.

    All methods follow CNAMEs and raise `Temporary` when no server told (time-out, SERVFAIL, no server).
    """

    async def a(self, name: str) -> DnsAnswer[IPv4Address]: ...

    async def aaaa(self, name: str) -> DnsAnswer[IPv6Address]: ...

    async def mx(self, name: str) -> DnsAnswer[Mx]:
        """Return the exchangers by preference, the lowest first."""

    async def txt(self, name: str) -> DnsAnswer[bytes]:
        """The character strings of each record, joined without a space."""

    async def ptr(self, address: Ip) -> DnsAnswer[str]:
        """Return the names that the address claims, unconfirmed."""

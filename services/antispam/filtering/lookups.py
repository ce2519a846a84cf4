"""What administrators set for the filters that ask DNS; the same for every domain."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LookupSettings:
    """Zones of lists of addresses and of domains, none by default; `domains_limit` of a message are asked about.

    `address_without_mx` is the strength of a hit when the sender's domain has an address but no MX (0: none).
    """

    dnsbl: tuple[str, ...] = ()
    uribl: tuple[str, ...] = ()
    domains_limit: int = 20
    address_without_mx: float = 0.5

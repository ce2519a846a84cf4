"""Peer addresses: one spelling each, the networks that we know, the key under which a peer is counted."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Network = IPv4Network | IPv6Network


def plain(address: str) -> str:
    """Without a zone, and an IPv4 address that comes mapped into IPv6 as what it is (RFC 4291 2.5.5.2)."""
    return str(_parsed(address))


def is_in(address: str, networks: Sequence[Network]) -> bool:
    """Whether a plain address belongs to one of the networks."""
    if not networks:
        return False
    parsed = _parsed(address)
    return any(parsed in network for network in networks if network.version == parsed.version)


def counted_as(address: str) -> str:
    """The key of a plain address in counters: an IPv6 customer has a whole /64 (RFC 6177), so that counts as one."""
    if ":" not in address:
        return address
    return str(ip_network(f"{address}/64", strict=False))


def _parsed(address: str) -> IPv4Address | IPv6Address:
    parsed = ip_address(address.partition("%")[0])
    return getattr(parsed, "ipv4_mapped", None) or parsed

"""Parses the text of addresses and networks.

An IPv4 address that is mapped into IPv6 (RFC 4291 2.5.5.2) is the IPv4 address, since a listener on both families
sees IPv4 peers so. The zone of a link-local address (RFC 4007 11) names an interface of this machine, not the peer.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Ip = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_MAPPED = IPv6Network("::ffff:0:0/96")
_MAPPED_BITS = 96
_SITE = 48


@lru_cache(maxsize=8192)  # the same peers connect again and again
def parsed(address: str) -> Ip | None:
    """Return the address; None when the text is not one, or is a network."""
    try:
        found = ip_address(address.partition("%")[0].strip())
    except ValueError:
        return None
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        return found.ipv4_mapped
    return found


@lru_cache(maxsize=8192)
def parsed_network(text: str) -> Network | None:
    """Return the network: `192.0.2.0/24`, or the network of one address alone. None when the text is neither.

    Bits behind the prefix do not matter, and a network of mapped addresses is the IPv4 network.
    """
    head, slash, length = text.strip().partition("/")
    try:
        return _unmapped(ip_network(head.partition("%")[0] + slash + length, strict=False))
    except ValueError:
        return None


def plain(address: str) -> str:
    """Return the canonical text of an address: no zone, not mapped, IPv6 by RFC 5952 4. Raises `ValueError`."""
    found = parsed(address)
    if found is None:
        raise ValueError("not an IP address")
    return str(found)


def network_of(address: str | Ip, *, ipv4_prefix: int = 32, ipv6_prefix: int = 64) -> str:
    """Return the key under which a peer is counted.

    An IPv6 customer has at least a /64 (RFC 6177 2), so all of it counts as one peer (`2001:db8::/64`). An IPv4
    address counts alone (`192.0.2.1`, without a prefix) unless `ipv4_prefix` widens it (`192.0.2.0/24`). Text that is
    not an address counts as itself.
    """
    return _network_of(str(address), ipv4_prefix, ipv6_prefix)


def networks_of(address: str | Ip) -> tuple[str, ...]:
    """Return the networks of a peer, the narrowest first: limits apply to each of them.

    Providers give an IPv6 site anything from a /64 to a /48 (RFC 6177 2), so both may belong to one peer.
    """
    narrow = network_of(address)
    return (narrow, network_of(address, ipv6_prefix=_SITE)) if "/" in narrow else (narrow,)


def is_in(address: str | Ip, networks: Iterable[Network]) -> bool:
    """Tell whether one of the networks contains the address. Text that is not an address is in none."""
    if not networks:
        return False
    found = parsed(str(address))
    if found is None:
        return False
    return any(found in network for network in map(_unmapped, networks) if network.version == found.version)


@lru_cache(maxsize=8192)
def _network_of(address: str, ipv4_prefix: int, ipv6_prefix: int) -> str:
    found = parsed(address)
    if found is None:
        return address
    if isinstance(found, IPv4Address):
        return str(found) if ipv4_prefix == 32 else str(IPv4Network((int(found), ipv4_prefix), strict=False))
    return str(IPv6Network((int(found), ipv6_prefix), strict=False))


def _unmapped(network: Network) -> Network:
    if isinstance(network, IPv4Network) or network.prefixlen < _MAPPED_BITS or not network.subnet_of(_MAPPED):
        return network
    return IPv4Network((int(network.network_address) & 0xFFFFFFFF, network.prefixlen - _MAPPED_BITS))

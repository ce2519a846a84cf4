"""The PROXY header of a load balancer, versions 1 and 2 (HAProxy proxy-protocol.txt 2.1, 2.2)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

_SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
_V1_LONGEST = 107  # with CR LF
_V1 = re.compile(rb"PROXY (?:UNKNOWN[^\r\n]*|TCP([46]) ([0-9a-fA-F.:]+) [0-9a-fA-F.:]+ ([0-9]{1,5}) [0-9]{1,5})\r\n")
_V2_LONGEST = 2048  # of what follows the length; extensions are skipped


class BadProxyHeader(Exception):
    """The connection does not begin with a PROXY header that is understood."""


@dataclass(frozen=True, slots=True)
class ProxyHeader:
    """`octets` is the length of the header.

    `source` is the peer behind the balancer, None for a connection of the balancer itself.
    """

    source: tuple[str, int] | None
    octets: int


def parse_proxy_header(beginning: bytes) -> ProxyHeader | None:
    """Return the header at the beginning of a connection, None while it is incomplete. Raises `BadProxyHeader`."""
    if _SIGNATURE.startswith(beginning[: len(_SIGNATURE)]):
        return _version_2(beginning)
    if beginning.startswith(b"PROXY "[: len(beginning)]):
        return _version_1(beginning)
    raise BadProxyHeader


def _version_1(beginning: bytes) -> ProxyHeader | None:
    if b"\n" not in beginning[:_V1_LONGEST]:
        if len(beginning) >= _V1_LONGEST:
            raise BadProxyHeader
        return None
    match = _V1.match(beginning)
    if match is None:
        raise BadProxyHeader
    if match[1] is None:
        return ProxyHeader(None, match.end())
    kind = IPv4Address if match[1] == b"4" else IPv6Address
    try:
        return ProxyHeader((str(kind(match[2].decode())), _port(int(match[3]))), match.end())
    except ValueError:
        raise BadProxyHeader from None


def _version_2(beginning: bytes) -> ProxyHeader | None:
    if len(beginning) < 16:
        return None
    command, family, length = beginning[12], beginning[13], int.from_bytes(beginning[14:16], "big")
    if command not in (0x20, 0x21) or length > _V2_LONGEST:
        raise BadProxyHeader
    if len(beginning) < 16 + length:
        return None
    addresses = beginning[16 : 16 + length]
    return ProxyHeader(_source(family, addresses) if command == 0x21 else None, 16 + length)


def _source(family: int, addresses: bytes) -> tuple[str, int] | None:
    match family:
        case 0x11 if len(addresses) >= 12:
            return str(IPv4Address(addresses[:4])), int.from_bytes(addresses[8:10], "big")
        case 0x21 if len(addresses) >= 36:
            return str(IPv6Address(addresses[:16])), int.from_bytes(addresses[32:34], "big")
        case 0x00:
            return None
    raise BadProxyHeader


def _port(number: int) -> int:
    if number > 65535:
        raise BadProxyHeader
    return number

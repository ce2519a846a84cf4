"""The PROXY header of a load balancer, versions 1 and 2 (HAProxy's proxy-protocol.txt, section 2)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

_SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
_V1_LONGEST = 107  # with CR LF
_V1 = re.compile(rb"PROXY (?:UNKNOWN[^\r\n]*|TCP([46]) ([0-9a-fA-F.:]+) [0-9a-fA-F.:]+ ([0-9]{1,5}) [0-9]{1,5})\r\n")
_V2_LONGEST = 2048  # of what follows the length; extensions are skipped


class BadHeader(Exception):
    """Whoever connected is no balancer that we can understand."""


@dataclass(frozen=True, slots=True)
class Header:
    """`source` is the peer behind the balancer, None when the balancer speaks for itself; `octets` its length."""

    source: tuple[str, int] | None
    octets: int


def parse(beginning: bytes) -> Header | None:
    """The header at the beginning of a connection; None while it is not whole. Raises `BadHeader`."""
    if _SIGNATURE.startswith(beginning[: len(_SIGNATURE)]):
        return _version_2(beginning)
    if beginning.startswith(b"PROXY "[: len(beginning)]):
        return _version_1(beginning)
    raise BadHeader


def _version_1(beginning: bytes) -> Header | None:
    if b"\n" not in beginning[:_V1_LONGEST]:
        if len(beginning) >= _V1_LONGEST:
            raise BadHeader
        return None
    match = _V1.match(beginning)
    if match is None:
        raise BadHeader
    if match[1] is None:
        return Header(None, match.end())
    kind = IPv4Address if match[1] == b"4" else IPv6Address
    try:
        return Header((str(kind(match[2].decode())), _port(int(match[3]))), match.end())
    except ValueError:
        raise BadHeader from None


def _version_2(beginning: bytes) -> Header | None:
    if len(beginning) < 16:
        return None
    command, family, length = beginning[12], beginning[13], int.from_bytes(beginning[14:16], "big")
    if command not in (0x20, 0x21) or length > _V2_LONGEST:
        raise BadHeader
    if len(beginning) < 16 + length:
        return None
    addresses = beginning[16 : 16 + length]
    return Header(_source(family, addresses) if command == 0x21 else None, 16 + length)


def _source(family: int, addresses: bytes) -> tuple[str, int] | None:
    match family:
        case 0x11 if len(addresses) >= 12:
            return str(IPv4Address(addresses[:4])), int.from_bytes(addresses[8:10], "big")
        case 0x21 if len(addresses) >= 36:
            return str(IPv6Address(addresses[:16])), int.from_bytes(addresses[32:34], "big")
        case 0x00:
            return None
    raise BadHeader


def _port(number: int) -> int:
    if number > 65535:
        raise BadHeader
    return number

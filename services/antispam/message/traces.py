"""Reads the envelope of a delivered message from its trace fields (RFC 5321 4.4)."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from libs.mail.address import InvalidAddress, parse_path
from libs.mail.dates import read_date
from libs.mail.headers import Headers
from libs.mail.originals import SUBMITTED, Original, original_of
from libs.network import Ip, is_in, parsed, parsed_network

# Hops inside a site: RFC 1122 3.2.1.3, RFC 1918, RFC 3927, RFC 4193, RFC 4291 2.4.
_INSIDE = tuple(
    network
    for text in ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "::1", "fc00::/7")
    if (network := parsed_network(text))
)
_MOST_HOPS = 10
_READ = 2_000  # characters of a field

# `from NAME (COMMENTS) by ...`; the content of the comments differs from server to server.
_FROM = re.compile(r"\s*+from\s++(\S++)((?:(?!\sby\s).)*+)", re.IGNORECASE | re.DOTALL)
_LITERAL = re.compile(r"\[(?:IPv6:)?([0-9a-f.:]{2,45})\]", re.IGNORECASE)
_BARE = re.compile(r"\(([0-9a-f.:]{2,45})\)", re.IGNORECASE)
_GREETED = re.compile(r"\b(?:helo|ehlo)[= ]\s*([^\s()]+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Trace:
    """What the trace fields say; None where they say nothing. `raw` is the message without the fields of this site."""

    raw: bytes
    sender: str | None = None
    recipient: str | None = None
    original_recipient: str | None = None
    hop: Hop | None = None


@dataclass(frozen=True, slots=True)
class Hop:
    """The hop to the site that delivered; `helo` is None where the field does not give it."""

    peer: str
    helo: str | None
    is_submission: bool
    at: datetime | None


def read_trace(raw: bytes, is_trusted: Callable[[Ip], bool]) -> Trace:
    """Read the topmost field of each name, since strangers may have written those below. Never raises.

    `is_trusted` tells the machines of this site: a stranger handed the message in at the first hop from another one.
    """
    headers, original = Headers(raw), original_of(raw)
    is_own = original.raw is not raw
    return Trace(
        raw=original.raw,
        sender=_address(headers.get("Return-Path")),
        recipient=_address(headers.get("Delivered-To")) or None,
        original_recipient=_address(headers.get("X-Facteur-Envelope-To" if is_own else "X-Original-To")) or None,
        hop=_own_hop(headers, original) if is_own else _border(headers, is_trusted),
    )


def _own_hop(headers: Headers, original: Original) -> Hop | None:
    """The fields that this site wrote say exactly how the message came."""
    if not original.peer:
        return None
    return Hop(original.peer, headers.get("X-Facteur-Helo"), original.submitted, _date(headers.get("Received") or ""))


def _address(value: str | None) -> str | None:
    """The address in normal form where it has one; empty for the null path, None where there is no path."""
    if value is None:
        return None
    text = value.strip()[:_READ]
    try:
        return parse_path(text, smtputf8=True).address
    except InvalidAddress:
        inner = text.strip("<>")
        return inner if "@" in inner and " " not in inner else None


def _border(headers: Headers, is_trusted: Callable[[Ip], bool]) -> Hop | None:
    for value in headers.all("Received")[:_MOST_HOPS]:
        hop = _hop(value[:_READ])
        peer = parsed(hop.peer) if hop else None
        if peer is not None and not is_in(peer, _INSIDE) and not is_trusted(peer):
            return hop
    return None


def _hop(value: str) -> Hop | None:
    """None where the field has no address, as for a hop inside one machine."""
    match = _FROM.match(value)
    if match is None:
        return None
    name, greeted, comments = match[1], _GREETED.search(match[2]), _GREETED.sub("", match[2])
    address = _LITERAL.search(comments) or _BARE.search(comments) or _LITERAL.fullmatch(name)
    if address is None or parsed(address[1]) is None:
        return None
    is_name = not (_LITERAL.fullmatch(name) and address.string is name)
    return Hop(
        peer=address[1],
        helo=greeted[1] if greeted else name if is_name and name.lower() != "unknown" else None,
        is_submission=SUBMITTED.search(value) is not None,
        at=_date(value),
    )


def _date(received: str) -> datetime | None:
    return read_date(received.rpartition(";")[2].strip()) if ";" in received else None

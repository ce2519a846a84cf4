"""Parses a record, and checks it as a whole before it is evaluated (RFC 7208 4.6, RFC 7208 12)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network

from libs.authentication.spf.macros import DomainSpec, check_macros
from libs.authentication.spf.results import PermError, SpfResult

# RFC 7208 4.6.2
QUALIFIERS = {"+": SpfResult.PASS, "-": SpfResult.FAIL, "~": SpfResult.SOFTFAIL, "?": SpfResult.NEUTRAL}
# RFC 7208 3.4: a record should fit into 512 octets of a packet. No honest record is longer than this.
_LONGEST = 8192
_DIRECTIVE = re.compile(r"([+?~-]?)(all|include|a|mx|ptr|ip4|ip6|exists)(?![A-Za-z0-9])(.*)", re.IGNORECASE | re.DOTALL)
_MODIFIER = re.compile(r"([A-Za-z][A-Za-z0-9_.-]*)=(.*)", re.DOTALL)
_NUMBER = r"(0|[1-9][0-9]{0,2})"  # without leading zeros, as in addresses
_DUAL_LENGTH = re.compile(rf"(?:/{_NUMBER})?(?://{_NUMBER})?$")
_IP4 = re.compile(r"[0-9.]+(?:/" + _NUMBER + ")?")
_IP6 = re.compile(r"[0-9A-Fa-f:.]+(?:/" + _NUMBER + ")?")


@dataclass(frozen=True, slots=True)
class Directive:
    """One mechanism with its qualifier. `target` is None for the current domain."""

    text: str
    result: SpfResult
    mechanism: str
    target: DomainSpec | None = None
    network: IPv4Network | IPv6Network | None = None
    length4: int = 32
    length6: int = 128


@dataclass(frozen=True, slots=True)
class SpfRecord:
    """RFC 7208 4.6: the directives in their order; the two known modifiers may occur anywhere."""

    directives: Sequence[Directive]
    redirect: DomainSpec | None = None
    exp: DomainSpec | None = None


def select(texts: Sequence[bytes]) -> bytes | None:
    """RFC 7208 4.5: select the SPF record among the TXT records. Raises `PermError` if there are several."""
    found = [text for text in texts if text[:6].lower() == b"v=spf1" and text[6:7] in (b"", b" ")]
    if len(found) > 1:
        raise PermError("several SPF records")
    return found[0] if found else None


@lru_cache(maxsize=2048)  # most mail comes from few domains, which include the records of few providers
def parse(text: bytes) -> SpfRecord:
    """Parse a record. Raises `PermError` for an error anywhere in it (RFC 7208 4.6)."""
    if len(text) > _LONGEST:
        raise PermError(f"a record of {len(text)} octets")
    if not text.isascii():
        raise PermError("a record that is not ASCII")  # RFC 7208 3.1
    directives: list[Directive] = []
    modifiers: dict[str, DomainSpec | None] = {}
    for term in filter(None, text[6:].decode("ascii").split(" ")):
        if modifier := _MODIFIER.fullmatch(term):
            _add_modifier(modifiers, modifier[1].lower(), modifier[2])
        else:
            directives.append(_directive(term))
    return SpfRecord(directives, modifiers.get("redirect"), modifiers.get("exp"))


def _add_modifier(modifiers: dict[str, DomainSpec | None], name: str, value: str) -> None:
    if name not in ("redirect", "exp"):
        check_macros(value)  # RFC 7208 6: an unknown modifier is ignored, but its syntax must be valid
        return
    if name in modifiers:
        raise PermError(f"{name} occurs twice")  # RFC 7208 6
    modifiers[name] = DomainSpec(value)


def _directive(term: str) -> Directive:
    match = _DIRECTIVE.fullmatch(term)
    if match is None:
        raise PermError(f"unknown term {term!r}")
    result, mechanism, rest = QUALIFIERS[match[1] or "+"], match[2].lower(), match[3]
    match mechanism:
        case "all":  # RFC 7208 5.1
            if rest:
                raise PermError(f"all takes no argument: {term!r}")
            return Directive(term, result, mechanism)
        case "include" | "exists":  # RFC 7208 5.2, RFC 7208 5.7
            return Directive(term, result, mechanism, _argument(rest, term))
        case "ptr":  # RFC 7208 5.5
            return Directive(term, result, mechanism, _argument(rest, term) if rest else None)
        case "ip4" | "ip6":  # RFC 7208 5.6
            return Directive(term, result, mechanism, network=_network(mechanism, rest[1:] if rest[:1] == ":" else ""))
        case _:  # a, mx: RFC 7208 5.3, RFC 7208 5.4
            return _with_lengths(term, result, mechanism, rest)


def _argument(rest: str, term: str) -> DomainSpec:
    if rest[:1] != ":":
        raise PermError(f"a domain is missing: {term!r}")
    return DomainSpec(rest[1:])


def _network(mechanism: str, text: str) -> IPv4Network | IPv6Network:
    form, kind = (_IP4, IPv4Network) if mechanism == "ip4" else (_IP6, IPv6Network)
    try:
        if form.fullmatch(text):
            return kind(text, strict=False)
    except ValueError as error:
        raise PermError(f"{mechanism}: {error}") from error
    raise PermError(f"{mechanism}:{text} is not a network")


def _with_lengths(term: str, result: SpfResult, mechanism: str, rest: str) -> Directive:
    lengths = _DUAL_LENGTH.search(rest)
    length4, length6 = lengths.groups() if lengths else (None, None)
    domain = rest[: lengths.start()] if lengths else rest
    prefixes = int(length4 or "32"), int(length6 or "128")
    if prefixes[0] > 32 or prefixes[1] > 128 or (domain and domain[0] != ":"):
        raise PermError(f"unknown term {term!r}")
    target = _argument(domain, term) if domain else None
    return Directive(term, result, mechanism, target, length4=prefixes[0], length6=prefixes[1])

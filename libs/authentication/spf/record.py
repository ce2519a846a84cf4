"""The text of a record, read and checked as a whole before any of it counts (RFC 7208 4.6, 5, 6, 12)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network

from libs.authentication.spf.macros import DomainSpec, check_macros
from libs.authentication.spf.results import PermError, SpfResult

QUALIFIERS = {"+": SpfResult.PASS, "-": SpfResult.FAIL, "~": SpfResult.SOFTFAIL, "?": SpfResult.NEUTRAL}  # 4.6.2
# 3.4: a record should fit into 512 octets of a packet. Above this nobody means well.
_LONGEST = 8192
_DIRECTIVE = re.compile(r"([+?~-]?)(all|include|a|mx|ptr|ip4|ip6|exists)(?![A-Za-z0-9])(.*)", re.IGNORECASE | re.DOTALL)
_MODIFIER = re.compile(r"([A-Za-z][A-Za-z0-9_.-]*)=(.*)", re.DOTALL)
_NUMBER = r"(0|[1-9][0-9]{0,2})"  # without leading zeros, as in the addresses
_DUAL_LENGTH = re.compile(rf"(?:/{_NUMBER})?(?://{_NUMBER})?$")
_IP4 = re.compile(r"[0-9.]+(?:/" + _NUMBER + ")?")
_IP6 = re.compile(r"[0-9A-Fa-f:.]+(?:/" + _NUMBER + ")?")


@dataclass(frozen=True, slots=True)
class Directive:
    """One mechanism with its qualifier. `target` is None where the current domain is meant."""

    text: str
    result: SpfResult
    mechanism: str
    target: DomainSpec | None = None
    network: IPv4Network | IPv6Network | None = None
    length4: int = 32
    length6: int = 128


@dataclass(frozen=True, slots=True)
class SpfRecord:
    """4.6: directives in their order; the two known modifiers wherever they stood."""

    directives: Sequence[Directive]
    redirect: DomainSpec | None = None
    exp: DomainSpec | None = None


def select(texts: Sequence[bytes]) -> bytes | None:
    """4.5: the one among a domain's TXT records that is SPF. Raises `PermError` when there are several."""
    found = [text for text in texts if text[:6].lower() == b"v=spf1" and text[6:7] in (b"", b" ")]
    if len(found) > 1:
        raise PermError("several SPF records")
    return found[0] if found else None


@lru_cache(maxsize=2048)  # most mail comes from few domains, which include the records of fewer providers
def parse(text: bytes) -> SpfRecord:
    """Raises `PermError` for an error anywhere in it (4.6)."""
    if len(text) > _LONGEST:
        raise PermError(f"a record of {len(text)} octets")
    if not text.isascii():
        raise PermError("a record that is not ASCII")  # 3.1
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
        check_macros(value)  # 6: an unknown one is ignored, but its syntax counts
        return
    if name in modifiers:
        raise PermError(f"{name} stands twice")  # 6
    modifiers[name] = DomainSpec(value)


def _directive(term: str) -> Directive:
    match = _DIRECTIVE.fullmatch(term)
    if match is None:
        raise PermError(f"what is {term!r}?")
    result, mechanism, rest = QUALIFIERS[match[1] or "+"], match[2].lower(), match[3]
    match mechanism:
        case "all":  # 5.1
            if rest:
                raise PermError(f"all takes no argument: {term!r}")
            return Directive(term, result, mechanism)
        case "include" | "exists":  # 5.2, 5.7
            return Directive(term, result, mechanism, _argument(rest, term))
        case "ptr":  # 5.5
            return Directive(term, result, mechanism, _argument(rest, term) if rest else None)
        case "ip4" | "ip6":  # 5.6
            return Directive(term, result, mechanism, network=_network(mechanism, rest[1:] if rest[:1] == ":" else ""))
        case _:  # a, mx: 5.3, 5.4
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
    raise PermError(f"{mechanism}:{text} is no network")


def _with_lengths(term: str, result: SpfResult, mechanism: str, rest: str) -> Directive:
    lengths = _DUAL_LENGTH.search(rest)
    length4, length6 = lengths.groups() if lengths else (None, None)
    domain = rest[: lengths.start()] if lengths else rest
    prefixes = int(length4 or "32"), int(length6 or "128")
    if prefixes[0] > 32 or prefixes[1] > 128 or (domain and domain[0] != ":"):
        raise PermError(f"what is {term!r}?")
    target = _argument(domain, term) if domain else None
    return Directive(term, result, mechanism, target, length4=prefixes[0], length6=prefixes[1])

"""DMARC: whether the author's domain stands behind the message, and what it asks for if not (RFC 7489 6.6)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, cast

from libs.envelope import Temporary
from libs.mail.address import InvalidAddress, normalise_domain
from services.antispam.authentication.dkim import Signed
from services.antispam.authentication.outcome import Outcome, Txt
from services.antispam.authentication.tags import tags

Request = Literal["none", "quarantine", "reject"]

_REQUESTS = ("none", "quarantine", "reject")


@dataclass(frozen=True, slots=True)
class Dmarc:
    """`domain` is the author's. `request` is what its owner asks to be done with this very message."""

    outcome: Outcome
    reason: str = ""
    domain: str = ""
    request: Request = "none"


@dataclass(frozen=True, slots=True)
class Record:
    """RFC 7489 6.3: `strict_*` ask for the very domain, `percent` for how much of the mail the request is meant."""

    request: Request
    subdomains: Request
    strict_dkim: bool
    strict_spf: bool
    percent: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """Domains that are proven, and whether a proof could not be had for now."""

    spf_domain: str
    signed: Sequence[Signed]
    uncertain: bool


async def evaluate(
    authors: Iterable[str],
    evidence: Awaitable[Evidence],
    *,
    txt: Txt,
    organizational: Callable[[str], str],
    sample: int,
) -> Dmarc:
    """For the addresses of the From field; `sample` from 0 to 99 says where in `pct` this message stands.

    `organizational` gives the registered domain (RFC 7489 3.2). The record is asked for while `evidence` is gathered.
    Never raises for what DNS does.
    """
    sought, proven = await asyncio.gather(_sought(authors, organizational, txt), evidence)
    if isinstance(sought, Dmarc):
        return sought
    domain, record, is_own = sought
    if _is_aligned(domain, record, proven, organizational):
        return Dmarc("pass", "", domain)
    if proven.uncertain:
        return Dmarc("temperror", "what could prove it did not answer", domain)
    asked = record.request if is_own else record.subdomains
    return Dmarc("fail", "neither SPF nor DKIM speaks for the author", domain, _sampled(asked, record.percent, sample))


async def _sought(
    authors: Iterable[str], organizational: Callable[[str], str], txt: Txt
) -> Dmarc | tuple[str, Record, bool]:
    """The author's domain, its record, and whether that is its own; or the result where there is nothing to align."""
    try:
        domains = {_domain(address) for address in authors}
    except InvalidAddress:
        return Dmarc("permerror", "the author has no domain")
    if not domains:
        return Dmarc("permerror", "there is no author")
    if len(domains) > 1:
        # RFC 7489 6.6.1: each reader would show another one.
        return Dmarc("fail", "authors of several domains", min(domains), "reject")
    domain = domains.pop()
    try:
        record, is_own = await _record(domain, organizational(domain), txt)
    except Temporary as error:
        return Dmarc("temperror", error.reason, domain)
    return (domain, record, is_own) if record is not None else Dmarc("none", "", domain)


async def _record(domain: str, organizational: str, txt: Txt) -> tuple[Record | None, bool]:
    """RFC 7489 6.6.3: of the domain itself, else of its organization."""
    own = parse_record(await txt(f"_dmarc.{domain}"))
    if own is not None or organizational in ("", domain):
        return own, True
    return parse_record(await txt(f"_dmarc.{organizational}")), False


def parse_record(texts: Iterable[str]) -> Record | None:
    """None where there is not exactly one record that makes sense."""
    records = [text for text in texts if text.partition(";")[0].replace(" ", "") == "v=DMARC1"]
    if len(records) != 1:
        return None
    try:
        found = tags(records[0])
    except ValueError:
        return None
    request = _request(found.get("p", ""))
    if request is None:
        if "rua" not in found:
            return None
        request = "none"
    percent = found.get("pct", "100")
    return Record(
        request=request,
        subdomains=_request(found.get("sp", "")) or request,
        strict_dkim=found.get("adkim", "r").lower() == "s",
        strict_spf=found.get("aspf", "r").lower() == "s",
        percent=min(100, int(percent)) if percent.isascii() and percent.isdigit() else 100,
    )


def _domain(address: str) -> str:
    _, at, domain = address.rpartition("@")
    if not at:
        raise InvalidAddress("no domain")
    return normalise_domain(domain)


def _request(text: str) -> Request | None:
    return cast(Request, text.lower()) if text.lower() in _REQUESTS else None


def _is_aligned(domain: str, record: Record, evidence: Evidence, organizational: Callable[[str], str]) -> bool:
    """RFC 7489 3.1."""

    def fits(proven: str, strict: bool) -> bool:
        return proven == domain or (not strict and bool(proven) and organizational(proven) == organizational(domain))

    return fits(evidence.spf_domain, record.strict_spf) or any(
        fits(each.domain, record.strict_dkim) for each in evidence.signed if each.outcome == "pass"
    )


def _sampled(request: Request, percent: int, sample: int) -> Request:
    """RFC 7489 6.6.4: the mail outside of the sample gets the next milder treatment."""
    if sample < percent or request == "none":
        return request
    return "quarantine" if request == "reject" else "none"

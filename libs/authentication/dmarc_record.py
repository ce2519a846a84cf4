"""DMARC records: whose counts, and what it asks for (RFC 7489 6.3, 6.6.3)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, cast

from libs.authentication.outcome import Txt
from libs.authentication.tags import sound_tags
from libs.envelope import Temporary

Request = Literal["none", "quarantine", "reject"]

REQUESTS: tuple[Request, ...] = ("none", "quarantine", "reject")  # the milder first

# RFC 7489 6.4: the version is first, and the only value that has a case.
_VERSION = re.compile(r"\s*[vV]\s*=\s*DMARC1\s*(?:;|\Z)")
_KNOWN = frozenset({"p", "sp", "adkim", "aspf", "pct", "rua"})
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s,]+")


@dataclass(frozen=True, slots=True)
class Record:
    """`strict_*` ask for the very domain, `percent` for how much of the mail the request is meant."""

    request: Request
    subdomains: Request
    strict_dkim: bool
    strict_spf: bool
    percent: int


async def find_record(domain: str, organizational: str, txt: Txt) -> tuple[Record | None, bool]:
    """RFC 7489 6.6.3: of the domain itself, else of its organization; and whether it is the domain's own.

    A sender chooses the subdomain, dead ones too: what its organization asks for holds while it does not answer.
    Raises `Temporary` when nothing can be said.
    """
    has_other = organizational not in ("", domain)
    try:
        texts = [text for text in await txt(f"_dmarc.{domain}") if _VERSION.match(text)]
    except Temporary:
        record = parse_record(await txt(f"_dmarc.{organizational}")) if has_other else None
        if record is None:
            raise
        return record, False
    if texts or not has_other:
        return parse_record(texts), True
    return parse_record(await txt(f"_dmarc.{organizational}")), False


def parse_record(texts: Iterable[str]) -> Record | None:
    """None where there is not exactly one record that asks for something."""
    records = [text for text in texts if _VERSION.match(text)]
    if len(records) != 1:
        return None
    try:
        found = sound_tags(records[0], _KNOWN)
    except ValueError:
        return None
    requests = _requests(found)
    if requests is None:
        return None
    percent = found.get("pct", "")
    return Record(
        request=requests[0],
        subdomains=requests[1],
        strict_dkim=found.get("adkim", "").lower() == "s",
        strict_spf=found.get("aspf", "").lower() == "s",
        percent=int(percent) if re.fullmatch("[0-9]{1,2}", percent) else 100,
    )


def _requests(found: Mapping[str, str]) -> tuple[Request, Request] | None:
    """RFC 7489 6.6.3: who cannot say what is wanted, but wants reports, only watches."""
    request, subdomains = _request(found.get("p", "")), _request(found.get("sp", found.get("p", "")))
    if request is not None and subdomains is not None:
        return request, subdomains
    return ("none", "none") if any(map(_URI.fullmatch, map(str.strip, found.get("rua", "").split(",")))) else None


def _request(text: str) -> Request | None:
    return cast(Request, text.lower()) if text.lower() in REQUESTS else None

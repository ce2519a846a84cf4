"""DMARC records: their discovery and their tags (RFC 7489 6.3, RFC 7489 6.6.3)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, cast

from libs.authentication.results import TxtLookup
from libs.authentication.tags import parse_tags_leniently
from libs.envelope import Temporary

DmarcPolicy = Literal["none", "quarantine", "reject"]

POLICIES: tuple[DmarcPolicy, ...] = ("none", "quarantine", "reject")  # the mildest first

# RFC 7489 6.4: the version comes first, and is the only case-sensitive value.
_VERSION = re.compile(r"\s*[vV]\s*=\s*DMARC1\s*(?:;|\Z)")
_KNOWN = frozenset({"p", "sp", "adkim", "aspf", "pct", "rua"})
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s,]+")


@dataclass(frozen=True, slots=True)
class DmarcRecord:
    """`strict_*` require the very domain; `percent` is the share of the mail that the policy is for."""

    policy: DmarcPolicy
    subdomains: DmarcPolicy
    strict_dkim: bool
    strict_spf: bool
    percent: int


async def find_record(domain: str, organizational: str, txt: TxtLookup) -> tuple[DmarcRecord | None, bool]:
    """RFC 7489 6.6.3: of the domain itself, else of its organization; and whether it is the domain's own.

    A sender chooses the subdomain, also one whose DNS is dead: then the policy of the organizational domain counts.
    Raises `Temporary` if neither answers.
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


def parse_record(texts: Iterable[str]) -> DmarcRecord | None:
    """Parse the record; None unless there is exactly one with a policy."""
    records = [text for text in texts if _VERSION.match(text)]
    if len(records) != 1:
        return None
    try:
        found = parse_tags_leniently(records[0], _KNOWN)
    except ValueError:
        return None
    policies = _policies(found)
    if policies is None:
        return None
    percent = found.get("pct", "")
    return DmarcRecord(
        policy=policies[0],
        subdomains=policies[1],
        strict_dkim=found.get("adkim", "").lower() == "s",
        strict_spf=found.get("aspf", "").lower() == "s",
        percent=int(percent) if re.fullmatch("[0-9]{1,2}", percent) else 100,
    )


def _policies(found: Mapping[str, str]) -> tuple[DmarcPolicy, DmarcPolicy] | None:
    """RFC 7489 6.6.3: a record without a valid policy but with a reporting URI counts as `none`."""
    policy, subdomains = _policy(found.get("p", "")), _policy(found.get("sp", found.get("p", "")))
    if policy is not None and subdomains is not None:
        return policy, subdomains
    return ("none", "none") if any(map(_URI.fullmatch, map(str.strip, found.get("rua", "").split(",")))) else None


def _policy(text: str) -> DmarcPolicy | None:
    return cast(DmarcPolicy, text.lower()) if text.lower() in POLICIES else None

"""DMARC: whether SPF or DKIM authenticates the author's domain, and the policy it requests if not (RFC 7489 6.6)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from libs.authentication.dmarc_record import POLICIES, DmarcPolicy, DmarcRecord, find_record
from libs.authentication.names import author_domains
from libs.authentication.results import AuthenticationOutcome, TxtLookup
from libs.envelope import Temporary

_MAX_DOMAINS = 10  # of authors; each costs two look-ups, and no honest message has as many

OrganizationalDomain = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class DmarcResult:
    """`domain` is the author's. `policy` is what its owner asks to be done with this very message."""

    outcome: AuthenticationOutcome
    reason: str = ""
    domain: str = ""
    policy: DmarcPolicy = "none"


@dataclass(frozen=True, slots=True)
class AuthenticatedIdentifier:
    """A domain that SPF or DKIM authenticates (`pass`), or could if its DNS answered (`temperror`) (RFC 7489 4.1)."""

    method: Literal["spf", "dkim"]
    domain: str
    outcome: Literal["pass", "temperror"]


async def evaluate(
    authors: Iterable[str],
    identifiers: Awaitable[Sequence[AuthenticatedIdentifier]],
    *,
    txt: TxtLookup,
    organizational: OrganizationalDomain,
    sample: int,
) -> DmarcResult:
    """For the addresses of the From field; `sample` from 0 to 99 says where in `pct` this message stands.

    `organizational` gives the registered domain (RFC 7489 3.2). Records are asked for while `identifiers` are gathered.
    Never raises for what DNS does.
    """
    domains = set[str]().union(*map(author_domains, authors))
    few = sorted(domains)[: _MAX_DOMAINS if len(domains) <= _MAX_DOMAINS else 0]
    found, records = await asyncio.gather(identifiers, _records(few, organizational, txt))
    if not domains:
        return DmarcResult("permerror", "the author has no domain")
    if not few:
        return DmarcResult("fail", f"authors of more than {_MAX_DOMAINS} domains", min(domains), "reject")
    judged = [
        record if isinstance(record, DmarcResult) else _judged(domain, record, found, organizational, sample)
        for domain, record in zip(few, records, strict=True)
    ]
    # RFC 7489 6.6.1: of several domains, the strictest policy among those that fail.
    return max(judged, key=_severity)


_SEVERITIES: Sequence[AuthenticationOutcome] = ("pass", "none", "temperror", "fail")


def _severity(found: DmarcResult) -> tuple[int, int]:
    return _SEVERITIES.index(found.outcome), POLICIES.index(found.policy)


async def _records(
    domains: Sequence[str], organizational: OrganizationalDomain, txt: TxtLookup
) -> Sequence[DmarcResult | tuple[DmarcRecord, bool]]:
    if len(domains) == 1:  # nearly always
        return [await _record(domains[0], organizational, txt)]
    return await asyncio.gather(*(_record(domain, organizational, txt) for domain in domains))


async def _record(
    domain: str, organizational: OrganizationalDomain, txt: TxtLookup
) -> DmarcResult | tuple[DmarcRecord, bool]:
    """The record and whether it is the domain's own; the result where there is none to judge by."""
    try:
        record, is_own = await find_record(domain, organizational(domain), txt)
    except Temporary as error:
        return DmarcResult("temperror", error.reason, domain)
    return DmarcResult("none", "", domain) if record is None else (record, is_own)


def _judged(
    domain: str,
    found_record: tuple[DmarcRecord, bool],
    identifiers: Sequence[AuthenticatedIdentifier],
    organizational: OrganizationalDomain,
    sample: int,
) -> DmarcResult:
    """A domain that is not aligned cannot authenticate the author, so errors of its DNS are ignored (RFC 7489 3.1)."""
    record, is_own = found_record
    strict = {"spf": record.strict_spf, "dkim": record.strict_dkim}
    outcomes = {
        identifier.outcome
        for identifier in identifiers
        if identifier.domain == domain
        or (not strict[identifier.method] and is_aligned(identifier.domain, domain, organizational))
    }
    if "pass" in outcomes:
        return DmarcResult("pass", "", domain)
    if outcomes:
        return DmarcResult("temperror", "the DNS of an aligned domain did not answer", domain)
    asked = record.policy if is_own else record.subdomains
    return DmarcResult(
        "fail", "neither SPF nor DKIM authenticates the author", domain, _sampled(asked, record.percent, sample)
    )


def is_aligned(one: str, other: str, organizational: OrganizationalDomain) -> bool:
    """RFC 7489 3.1.1, relaxed: whether both names belong to one organizational domain."""
    return bool(one) and (one == other or organizational(one) == organizational(other) != "")


def _sampled(policy: DmarcPolicy, percent: int, sample: int) -> DmarcPolicy:
    """RFC 7489 6.6.4: the mail outside of the sample gets the next milder treatment."""
    if sample < percent or policy == "none":
        return policy
    return "quarantine" if policy == "reject" else "none"

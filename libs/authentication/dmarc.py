"""DMARC: whether the author's domain stands behind the message, and what it asks for if not (RFC 7489 6.6)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from libs.authentication.dmarc_record import REQUESTS, Record, Request, find_record
from libs.authentication.names import author_domains
from libs.authentication.outcome import Outcome, Txt
from libs.envelope import Temporary

_MAX_DOMAINS = 10  # of authors; each is two look-ups, and no honest message has as many

Organizational = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Dmarc:
    """`domain` is the author's. `request` is what its owner asks to be done with this very message."""

    outcome: Outcome
    reason: str = ""
    domain: str = ""
    request: Request = "none"


@dataclass(frozen=True, slots=True)
class Proof:
    """A domain that SPF or a DKIM signature stands for: surely (`pass`), or if only its DNS answered (`temperror`)."""

    method: Literal["spf", "dkim"]
    domain: str
    outcome: Literal["pass", "temperror"]


async def evaluate(
    authors: Iterable[str],
    proofs: Awaitable[Sequence[Proof]],
    *,
    txt: Txt,
    organizational: Organizational,
    sample: int,
) -> Dmarc:
    """For the addresses of the From field; `sample` from 0 to 99 says where in `pct` this message stands.

    `organizational` gives the registered domain (RFC 7489 3.2). Records are asked for while `proofs` are gathered.
    Never raises for what DNS does.
    """
    domains = set[str]().union(*map(author_domains, authors))
    few = sorted(domains)[: _MAX_DOMAINS if len(domains) <= _MAX_DOMAINS else 0]
    found, records = await asyncio.gather(proofs, _records(few, organizational, txt))
    if not domains:
        return Dmarc("permerror", "the author has no domain")
    if not few:
        return Dmarc("fail", f"authors of more than {_MAX_DOMAINS} domains", min(domains), "reject")
    judged = [
        record if isinstance(record, Dmarc) else _judged(domain, record, found, organizational, sample)
        for domain, record in zip(few, records, strict=True)
    ]
    # RFC 7489 6.6.1: of several, the strictest of those that fail.
    return max(judged, key=_severity)


_SEVERITIES: Sequence[Outcome] = ("pass", "none", "temperror", "fail")


def _severity(found: Dmarc) -> tuple[int, int]:
    return _SEVERITIES.index(found.outcome), REQUESTS.index(found.request)


async def _records(
    domains: Sequence[str], organizational: Organizational, txt: Txt
) -> Sequence[Dmarc | tuple[Record, bool]]:
    if len(domains) == 1:  # nearly always
        return [await _record(domains[0], organizational, txt)]
    return await asyncio.gather(*(_record(domain, organizational, txt) for domain in domains))


async def _record(domain: str, organizational: Organizational, txt: Txt) -> Dmarc | tuple[Record, bool]:
    """The record and whether it is the domain's own; the result where there is none to judge by."""
    try:
        record, is_own = await find_record(domain, organizational(domain), txt)
    except Temporary as error:
        return Dmarc("temperror", error.reason, domain)
    return Dmarc("none", "", domain) if record is None else (record, is_own)


def _judged(
    domain: str, sought: tuple[Record, bool], proofs: Sequence[Proof], organizational: Organizational, sample: int
) -> Dmarc:
    """A domain that is not aligned cannot prove the author, so what its DNS does changes nothing (RFC 7489 3.1)."""
    record, is_own = sought
    strict = {"spf": record.strict_spf, "dkim": record.strict_dkim}
    outcomes = {
        proof.outcome for proof in proofs
        if proof.domain == domain or (not strict[proof.method] and is_aligned(proof.domain, domain, organizational))
    }  # fmt: skip
    if "pass" in outcomes:
        return Dmarc("pass", "", domain)
    if outcomes:
        return Dmarc("temperror", "what could prove it did not answer", domain)
    asked = record.request if is_own else record.subdomains
    return Dmarc("fail", "neither SPF nor DKIM speaks for the author", domain, _sampled(asked, record.percent, sample))


def is_aligned(one: str, other: str, organizational: Organizational) -> bool:
    """RFC 7489 3.1.1, relaxed: of one organization."""
    return bool(one) and (one == other or organizational(one) == organizational(other) != "")


def _sampled(request: Request, percent: int, sample: int) -> Request:
    """RFC 7489 6.6.4: the mail outside of the sample gets the next milder treatment."""
    if sample < percent or request == "none":
        return request
    return "quarantine" if request == "reject" else "none"

"""The scope of a rule or list in a path or body: one main domain, or all domains."""

from __future__ import annotations

from libs.http import Problem
from libs.mail.address import InvalidAddress, canonical, normalise_domain
from services.antispam.policy.policy import DEFAULT, OUTGOING


def scope_of(domain: str) -> str:
    """`default` for all (or nothing given), `outgoing`, or a domain in its normal form. Raises `Problem` 422."""
    if domain in ("", DEFAULT):
        return DEFAULT
    if domain == OUTGOING:
        return OUTGOING
    try:
        return normalise_domain(domain)
    except InvalidAddress as error:
        raise Problem(422, f"{domain[:100]!r} is no domain: {error}") from None


def address_of(text: str) -> str:
    """An address in the form in which addresses are compared. Raises `Problem` 422."""
    try:
        return canonical(text)
    except InvalidAddress as error:
        raise Problem(422, f"{text[:100]!r} is no address: {error}") from None


def domain_of(scope: str) -> str:
    """As events and answers say it: empty for all."""
    return "" if scope == DEFAULT else scope

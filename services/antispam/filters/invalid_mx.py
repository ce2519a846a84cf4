"""Detects a sender's domain that accepts no mail, so that no answer and no delivery report can reach the sender.

A domain without MX is served by its address (RFC 5321 5.1), which weighs as the setting `address_without_mx` says; a
null MX (RFC 7505) refuses all mail.

See: RFC 5321 5.1, RFC 7505.
"""

from __future__ import annotations

from services.antispam.filtering.context import FilterContext
from services.antispam.message.mail_view import MailView
from services.antispam.message.report import MISS, Report, hit

REQUIRED = frozenset({"sender"})


def needs_lookup(mail: MailView, context: FilterContext) -> bool:
    """Only mail of strangers is checked, unless it is of the null sender."""
    return context.environment.is_stranger(mail) and "@" in mail.sender


async def check(mail: MailView, context: FilterContext) -> Report:
    if not needs_lookup(mail, context):
        return MISS
    domain, dns = mail.sender.rpartition("@")[2], context.environment.dns
    if domain.startswith("["):
        return hit(f"{domain} is an address literal, not a domain")
    found = await dns.mx(domain)
    if any(mx.exchange for mx in found.records):
        return MISS
    if found:
        return hit(f"{domain} accepts no mail (null MX)")
    if not found.exists:
        return hit(f"{domain} does not exist")
    if not (await dns.a(domain) or await dns.aaaa(domain)):
        return hit(f"{domain} has neither MX nor address")
    strength = context.environment.lookups.address_without_mx
    return hit(f"{domain} has an address, but no MX", strength) if strength else MISS

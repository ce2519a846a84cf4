"""Detects a HELO name that is no host name, is a name of this site, or does not belong to the peer's address.

Syntax, bare addresses and names of this site are checked without a look-up. RFC 5321 4.1.4 forbids refusing mail
because the name does not match the address, so a mismatch is a weak sign; a name that does not exist is a stronger one.

See: RFC 5321 2.3.5, RFC 5321 4.1.1.1, RFC 5321 4.1.3, RFC 5321 4.1.4.
"""

from __future__ import annotations

from functools import lru_cache

from libs.mail.address import InvalidAddress, normalise_domain
from libs.network import Ip, parsed
from services.antispam.filtering.context import FilterContext
from services.antispam.filtering.peer_names import addresses_of, peer_names_of
from services.antispam.message.mail_view import MailView
from services.antispam.message.registered_domain import registered_domain
from services.antispam.message.report import MISS, Report, hit

REQUIRED = frozenset({"helo"})


def needs_lookup(mail: MailView, context: FilterContext) -> bool:
    """Only a stranger whose HELO could be its name is looked up."""
    return context.environment.is_stranger(mail) and _without_lookup(mail, context) is MISS


async def check(mail: MailView, context: FilterContext) -> Report:
    if not context.environment.is_stranger(mail):
        return MISS
    report = _without_lookup(mail, context)
    return report if report is not MISS or _name(mail).startswith("[") else await _against_dns(mail, context)


def _name(mail: MailView) -> str:
    return mail.envelope.peer.helo.lower().removesuffix(".")


def _without_lookup(mail: MailView, context: FilterContext) -> Report:
    name = _name(mail)
    if name in context.environment.own_names:
        return hit(f"{name} is a name of this site")
    if name.startswith("["):
        return MISS if _is_literal_of(name, mail.peer) else hit(f"{name} is not the peer's address", 0.7)
    return _form(name)


@lru_cache(maxsize=4096)  # the same peers come again and again
def _form(name: str) -> Report:
    """RFC 5321 2.3.5: only resolvable, fully-qualified domain names are permitted."""
    if parsed(name):
        return hit(f"{name} is an address without brackets", 0.7)
    try:
        full = "." in normalise_domain(name)
    except InvalidAddress:
        full = False
    return MISS if full else hit(f"{name!r} is no fully qualified host name", 0.5)


def _is_literal_of(name: str, peer: Ip | None) -> bool:
    """RFC 5321 4.1.3: `[192.0.2.1]` or `[IPv6:2001:db8::1]`, lower-cased here."""
    return parsed(name.strip("[]").removeprefix("ipv6:")) == peer


async def _against_dns(mail: MailView, context: FilterContext) -> Report:
    """RFC 5321 4.1.4 forbids refusing mail for a mismatch, so it is a weak sign; a missing name is a stronger one."""
    assert mail.peer is not None
    name = _name(mail)
    own = await addresses_of(context.environment.dns, name, mail.peer)
    if mail.peer in own.records:
        return MISS
    if not own.exists:
        return hit(f"{name} does not exist", 0.5)
    # Hosts behind one name differ in their first labels, so only the registered domains must agree.
    confirmed = (await peer_names_of(mail, context)).confirmed
    if any(registered_domain(each) == (registered_domain(name) or name) for each in confirmed):
        return MISS
    return hit(f"{name}, but the address {f'belongs to {confirmed[0]}' if confirmed else 'has no confirmed name'}", 0.2)

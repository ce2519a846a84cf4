"""The peer's HELO is no name of a host, is ours, or is not that of its address (R-SPAM-27, RFC 5321 2.3.5, 4.1.1.1)."""

from __future__ import annotations

from functools import lru_cache

from libs.mail.address import InvalidAddress, normalise_domain
from services.antispam.domain.context import Context
from services.antispam.domain.mail_view import Ip, MailView, parsed_ip
from services.antispam.domain.report import MISS, Report, hit


async def check(mail: MailView, context: Context) -> Report:
    """What needs no look-up: syntax, bare addresses, our own name, and the reverse name if ingress found one."""
    if mail.peer is None or context.knowledge.trusts(mail.peer):
        return MISS
    name = mail.envelope.peer.helo.lower().removesuffix(".")
    if name in context.knowledge.own_names:
        return hit(f"{name} is our own name")
    if name.startswith("["):
        return MISS if _is_literal_of(name, mail.peer) else hit(f"{name} is not the peer's address", 0.7)
    form = _form(name)
    return _against_reverse_name(name, mail.envelope.peer.reverse_name) if form is MISS else form


@lru_cache(maxsize=4096)  # the same peers come again and again
def _form(name: str) -> Report:
    """RFC 5321 2.3.5: only resolvable, fully-qualified domain names."""
    if parsed_ip(name):
        return hit(f"{name} is an address without brackets", 0.7)
    try:
        full = "." in normalise_domain(name)
    except InvalidAddress:
        full = False
    return MISS if full else hit(f"{name!r} is no full host name", 0.5)


def _is_literal_of(name: str, peer: Ip) -> bool:
    """RFC 5321 4.1.3: `[192.0.2.1]` or `[IPv6:2001:db8::1]`, lower-cased here."""
    return parsed_ip(name.strip("[]").removeprefix("ipv6:")) == peer


def _against_reverse_name(name: str, reverse: str | None) -> Report:
    """Hosts behind one name differ in their first labels, so only the last two must agree; a weak sign."""
    if not reverse or _tail(name) == _tail(reverse.lower().removesuffix(".")):
        return MISS
    return hit(f"{name}, but the address is {reverse}'s", 0.2)


def _tail(name: str) -> list[str]:
    return name.split(".")[-2:]

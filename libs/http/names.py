"""The types of addresses, domains, peers, counts and moments at the border of every API.

What goes in is in normal form behind it, so that `Ünï@MÜNCHEN。test` and `ünï@xn--mnchen-3ya.test` are one mailbox.
"""

from __future__ import annotations

from datetime import datetime
from ipaddress import ip_address
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from libs.http.parameters import moment
from libs.http.requests import GREATEST_INTEGER
from libs.mail.address import InvalidAddress, canonical, normalise, normalise_domain

MAX_ADDRESS_CHARACTERS = 320  # a longer text is refused before it is parsed


def domain_name(text: str) -> str:
    """A host name in lower-case A-labels; an address literal is none. Raises `InvalidAddress`."""
    if text.startswith("["):
        raise InvalidAddress("an address literal is no domain name")
    return normalise_domain(text)


def _moment(given: object) -> datetime:
    if isinstance(given, datetime):
        return given
    if not isinstance(given, str):
        raise ValueError("a date and time is a string (RFC 3339)")
    return moment(given)


def _peer(given: object) -> str:
    """RFC 5952; the framework's own type takes 2130706433 for 127.0.0.1."""
    if not isinstance(given, str):
        raise ValueError("an IP address is a string")
    try:
        return str(ip_address(given))
    except ValueError:
        raise ValueError("an IP address is needed") from None


def _printable(text: str) -> str:
    """No line end can get from a name into a header (RFC 5322 2.2)."""
    if not text.isprintable():
        raise ValueError("control characters are not allowed")
    return text.strip()


# Any address, local or remote: the domain in A-labels, the local part as it is written.
Address = Annotated[str, Field(max_length=MAX_ADDRESS_CHARACTERS), AfterValidator(normalise)]
# The key of a local mailbox: the local part is in lower case, too.
MailboxAddress = Annotated[str, Field(max_length=MAX_ADDRESS_CHARACTERS), AfterValidator(canonical)]
DomainName = Annotated[str, Field(max_length=255), AfterValidator(domain_name)]
# Where mail goes: a domain, or an address literal.
MailHost = Annotated[str, Field(max_length=255), AfterValidator(normalise_domain)]
PeerAddress = Annotated[str, Field(max_length=64), BeforeValidator(_peer)]
Moment = Annotated[datetime, BeforeValidator(_moment)]
Count = Annotated[int, Field(ge=0, le=GREATEST_INTEGER)]
PrintableText = Annotated[str, AfterValidator(_printable)]

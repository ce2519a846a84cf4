"""Addresses of the envelope (RFC 5321 4.1.2, RFC 6531 3.3): read as honest senders write them, in one strict form.

Honest senders write local parts with misplaced dots (Japanese mobile providers), local parts beyond 64 octets
(Exchange), domains with underscores, and senders with the final dot of DNS. All of that is accepted; the result is
valid: a local part that needs quotes has them, a domain has no final dot, and no address is longer than a path may be.

A *path* stands between `<` and `>` in MAIL and RCPT; a *mailbox* is `local@domain`. In normal form
the domain is lower-case ASCII (A-labels), the local part keeps its case and carries quotes only if it needs them.
`libs.mail.address_list` reads header addresses, tolerantly.
"""

import ipaddress
import re
import unicodedata
from dataclasses import dataclass

import idna

MAX_DOMAIN_OCTETS = 255  # RFC 5321 4.5.3.1.2
MAX_PATH_OCTETS = 256  # RFC 5321 4.5.3.1.3: with the angle brackets, so 254 between them

_ATEXT = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\-\u0080-\U0010ffff]"  # RFC 5322 3.2.3, widened by RFC 6531 3.3
_DOT_STRING = re.compile(rf"{_ATEXT}+(?:\.{_ATEXT}+)*")
_DOTTED = re.compile(rf"(?:{_ATEXT}|\.)+")  # with dots where they must not be, as in `user..name` and `user.`
_QUOTED_STRING = re.compile(r'"((?:[^"\\]|\\[ -~])*)"')  # RFC 5321 4.1.2; control characters are refused before
# RFC 1035 2.3.1, RFC 1123 2.1; DNS itself has underscores (RFC 2181 11), and so have names that mail is sent from.
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_DOMAIN = re.compile(rf"(?:{_LABEL}\.)*(?![0-9]+\Z){_LABEL}")  # RFC 3696 2: a top-level name is not all digits

_DOTS = re.compile("[.\u3002\uff0e\uff61]")  # UTS 46 2.3


class InvalidAddress(ValueError):
    """The text is no address; `str()` is one plain sentence for the peer, which never repeats the input."""


class NeedsSmtputf8(InvalidAddress):
    """The address is not ASCII and the peer did not ask for SMTPUTF8 (RFC 6531 3.4: 553 5.6.7)."""


@dataclass(frozen=True, slots=True)
class Path:
    """A reverse or forward path in normal form.

    `local` and `domain` are empty for the null path `<>`; `domain` alone is empty for `<postmaster>`; `route` is the
    ignored source route (`@a,@b`), kept for the log; `original` is the text of the peer between the brackets.
    """

    local: str
    domain: str
    route: str
    original: str

    @property
    def address(self) -> str:
        return f"{self.local}@{self.domain}" if self.domain else self.local

    @property
    def is_null(self) -> bool:
        """RFC 5321 4.5.5: the sender of notifications; never a recipient."""
        return not self.local and not self.domain

    @property
    def is_postmaster(self) -> bool:
        """RFC 5321 4.5.1: `<postmaster>` without a domain, a recipient that every server takes; never a sender."""
        return bool(self.local) and not self.domain


def parse_path(text: str, *, smtputf8: bool = False, root_dot: bool = False) -> Path:
    """The path of a MAIL or RCPT argument, with or without its angle brackets, without ESMTP parameters.

    The caller refuses `is_null` at RCPT and `is_postmaster` at MAIL. A source route is cut off and kept aside, as
    RFC 5321 3.6.1 and appendix C ask; the mailbox behind it stands or falls by itself. `root_dot` takes a domain with
    the final dot of DNS, which some senders write of themselves; of a recipient it is an old trick. Raises
    InvalidAddress.
    """
    inner = text[1:-1] if text.startswith("<") and text.endswith(">") else text
    _refuse_characters(inner, smtputf8)
    if _octets(inner) > MAX_PATH_OCTETS - 2:
        raise InvalidAddress(f"the path is longer than {MAX_PATH_OCTETS} octets")
    route, mailbox = _cut_route(inner)
    if not mailbox and not route:
        return Path("", "", "", "")
    if mailbox.lower() == "postmaster":
        return Path("postmaster", "", route, inner)
    local, domain = _parse_mailbox(_without_root(mailbox) if root_dot else mailbox)
    return Path(local, domain, route, inner)


def normalise(address: str) -> str:
    """`local@domain` with the domain in lower-case A-labels and needless quotes gone. Raises InvalidAddress.

    The local part keeps its case: only the host that owns it may give that a meaning (RFC 5321 2.4).
    """
    _refuse_characters(address, smtputf8=True)
    if _octets(address) > MAX_PATH_OCTETS - 2:
        raise InvalidAddress(f"the address is longer than {MAX_PATH_OCTETS - 2} octets")
    local, domain = _parse_mailbox(address)
    return f"{local}@{domain}"


def canonical(address: str) -> str:
    """The key under which OUR accounts and aliases are looked up: normal form, local part in lower case and NFC.

    We own the meaning of our local parts and give case none; RFC 6532 3.1 asks for NFC. Raises InvalidAddress.
    """
    local, domain = split(normalise(address))
    if local.isascii():
        return f"{local.lower()}@{domain}"
    return f"{unicodedata.normalize('NFC', unicodedata.normalize('NFC', local).lower())}@{domain}"


def split(address: str) -> tuple[str, str]:
    """(local, domain) of an address that is already normal: cut at the last `@`. Raises InvalidAddress without one."""
    local, at, domain = address.rpartition("@")
    if not (at and local and domain):
        raise InvalidAddress("the address has no local part or no domain")
    return local, domain


def domain_of(address: str) -> str:
    """The domain of an address that is already normal. Raises InvalidAddress, also for the null path."""
    return split(address)[1]


def normalise_domain(domain: str) -> str:
    """A domain in lower-case A-labels, or an address literal in its shortest form. Raises InvalidAddress."""
    if domain.startswith("["):
        return _normalise_literal(domain)
    if domain.endswith("."):
        raise InvalidAddress("the domain ends with a dot")  # RFC 5321 2.3.5: the root dot is not part of a mail domain
    name = domain.lower() if domain.isascii() else _a_labels(domain)
    if len(name) > MAX_DOMAIN_OCTETS:
        raise InvalidAddress(f"the domain is longer than {MAX_DOMAIN_OCTETS} octets")
    if not _DOMAIN.fullmatch(name):
        raise InvalidAddress("the domain is not a host name")
    return name


def needs_smtputf8(address: str) -> bool:
    """Whether the address as written can only travel with SMTPUTF8 (RFC 6531 3.2); a normalised domain never does."""
    return not address.isascii()


def _parse_mailbox(text: str) -> tuple[str, str]:
    """Both halves in normal form; the characters were checked before."""
    if text.startswith('"'):
        match = _QUOTED_STRING.match(text)
        local = match.group() if match else ""
        at, domain = text[len(local) : len(local) + 1], text[len(local) + 1 :]
    else:
        local, at, domain = text.partition("@")
    if not (local and at == "@" and domain):
        raise InvalidAddress("an address has the form local@domain")
    local, domain = _normalise_local(local), normalise_domain(domain)
    # RFC 5321 4.5.3.1.1 has 64 octets for a local part as the least that a server takes; the path limits it.
    if _octets(local) + 1 + len(domain) > MAX_PATH_OCTETS - 2:  # quotes and A-labels may have made it longer
        raise InvalidAddress(f"the address is longer than {MAX_PATH_OCTETS - 2} octets")
    return local, domain


def _without_root(mailbox: str) -> str:
    """RFC 5321 2.3.5: the root dot is not part of a mail domain; `foreign.example.` is `foreign.example`."""
    return mailbox[:-1] if _DOTS.fullmatch(mailbox[-1]) and mailbox[-2:-1] != "]" else mailbox


def _normalise_local(local: str) -> str:
    """RFC 5321 4.1.2: `"jean"` and `jean` are the same mailbox, so quotes stay only around what needs them."""
    if not local.startswith('"'):
        if _DOT_STRING.fullmatch(local):
            return local
        if not _DOTTED.fullmatch(local):
            raise InvalidAddress("the local part has a character that must be quoted")
        return f'"{local}"'  # RFC 5321 4.1.2: the lawful way to write the same mailbox
    content = re.sub(r"\\(.)", r"\1", local[1:-1])
    if _DOT_STRING.fullmatch(content):
        return content
    return '"' + re.sub(r'(["\\])', r"\\\1", content) + '"'


def _cut_route(inner: str) -> tuple[str, str]:
    """RFC 5321 4.1.2 A-d-l: `@a,@b:local@domain` -> (`@a,@b`, `local@domain`)."""
    if not inner.startswith("@"):
        return "", inner
    route, colon, mailbox = inner.partition(":")
    if not colon or not mailbox or not all(hop.startswith("@") for hop in route.split(",")):
        raise InvalidAddress("the source route is malformed")
    for hop in route.split(","):
        normalise_domain(hop[1:])
    return route, mailbox


def _refuse_characters(text: str, smtputf8: bool) -> None:
    """RFC 5321 4.1.2: printable ASCII; RFC 6531 3.3 adds UTF-8, of which controls, separators, surrogates stay out.

    A surrogate is an octet that was no UTF-8 (Python's surrogateescape). Zero-width and bidi characters are refused
    with them (`isprintable`): they only serve to make two addresses look alike.
    """
    if not text.isprintable():
        raise InvalidAddress("the address has a control character, a separator or an octet that is not UTF-8")
    if not smtputf8 and not text.isascii():
        raise NeedsSmtputf8("an address that is not ASCII needs SMTPUTF8")


def _normalise_literal(domain: str) -> str:
    """RFC 5321 4.1.3: `[192.0.2.1]` or `[IPv6:2001:db8::1]`; no other tag was ever registered."""
    content = domain[1:-1] if domain.endswith("]") else ""
    try:
        if content[:5].lower() == "ipv6:" and "%" not in content:
            return f"[IPv6:{ipaddress.IPv6Address(content[5:])}]"
        return f"[{ipaddress.IPv4Address(content)}]"
    except ValueError:
        raise InvalidAddress("the address literal is not an IP address") from None


def _a_labels(domain: str) -> str:
    """RFC 5891 4, with the mapping of UTS 46 (case, full-width forms, ideographic dots) that clients apply."""
    if _octets(domain) > MAX_DOMAIN_OCTETS:  # before idna sees it: its cost grows faster than the length
        raise InvalidAddress(f"the domain is longer than {MAX_DOMAIN_OCTETS} octets")
    try:
        return ".".join(label.lower() if label.isascii() else _a_label(label) for label in _DOTS.split(domain))
    except UnicodeError:  # idna.IDNAError is one
        raise InvalidAddress("the domain is not a valid internationalised name") from None


def _a_label(label: str) -> str:
    """Of each label that needs it alone: those beside it may have underscores."""
    return idna.encode(label, uts46=True, std3_rules=True).decode("ascii").lower()


def _octets(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))

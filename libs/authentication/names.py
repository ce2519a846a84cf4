"""Domain names as signers and authors write them: any name that DNS has, which is more than a host name.

An underscore, a label that ends with a hyphen or an emoji is not a host name (RFC 1123 2.1), yet it is a domain
name (RFC 2181 11). Names are compared as A-labels in lower case.
"""

from __future__ import annotations

import re
import unicodedata

import idna

from libs.mail.encoded_words import decode_words

_MAX_OCTETS = 246  # RFC 1035 2.3.4: 255 on the wire, with `_dmarc.` before it
_DOTS = re.compile("[.\u3002\uff0e\uff61]")  # UTS 46 4: these are typed as dots
_LABEL = re.compile(r"[a-z0-9_-]{1,63}")
# RFC 5322 3.4.1: a domain in a header is a dot-atom, which allows more characters than registered names have.
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\-\u0080-\U0010ffff]+"
_DOMAIN = re.compile(rf"{_ATOM}+(?:\s*+\.[\s.]*+{_ATOM}+)*+\s*+\.?")  # RFC 5322 4.4: spaces around the dots
_SEPARATOR = re.compile(r"[\s.]*\.[\s.]*")
_BEHIND_AT = re.compile(rf"@\s*({_DOMAIN.pattern})")
_SHOWN = 2_000  # characters of an address that are read: no mail program shows more


def signing_domain(text: str) -> str:
    """Normalise a domain or selector of a signature (RFC 6376 3.5; RFC 8616 4 allows U-labels). Raises `ValueError`."""
    name = _a_labels(text)
    if not all(_LABEL.fullmatch(label) for label in name.split(".")):
        raise ValueError("not a domain name")
    return name


def author_domains(address: str) -> frozenset[str]:
    """Return the domains that a reader may take for the author's in one address of a From field.

    As a rule it is one. Where the text is not an address, each word behind an @ counts, for mail programs show all of
    them: broken syntax must not evade the policy of the domain owner. Empty if there is no domain at all.
    """
    local, at, domain = address.rpartition("@")
    is_quoted = local.startswith('"') and local.endswith('"')
    if at and (is_quoted or "@" not in local) and _DOMAIN.fullmatch(domain.strip()):
        candidates = [domain]
    else:
        text = address[:_SHOWN]
        candidates = _BEHIND_AT.findall(decode_words(text) if "=?" in text else text)
    return frozenset(name for name in map(_name_or_none, candidates) if name)


def _name_or_none(text: str) -> str | None:
    """Normalise a name; None if it is invalid. One that is too long for DNS is cut to a name above it that is not."""
    text = _SEPARATOR.sub(".", text[-_SHOWN:].strip()).removesuffix(".")
    while len(text) > _MAX_OCTETS and "." in text:
        text = text.partition(".")[2]
    try:
        return _a_labels(text)
    except ValueError:
        return None


def _a_labels(text: str) -> str:
    """Convert to A-labels in lower case, whatever characters the labels have. Raises `ValueError`."""
    if not text.isascii():
        if len(text) > _MAX_OCTETS:  # before the mapping, whose cost grows faster than the length
            raise ValueError("too long for a domain name")
        text = ".".join(map(_a_label, _DOTS.split(_mapped(text))))
    if not text or len(text) > _MAX_OCTETS or ".." in f".{text}.":
        raise ValueError("not a domain name")
    return text.lower()


def _mapped(text: str) -> str:
    """Map a name as clients do (UTS 46 4): case, full-width forms, dots."""
    try:
        return idna.uts46_remap(text, std3_rules=False)
    except UnicodeError:  # idna.IDNAError is one
        return unicodedata.normalize("NFKC", text).lower()


def _a_label(label: str) -> str:
    """Convert a label, also one that RFC 5892 does not allow: names with emoji are registered, signed and shown."""
    if label.isascii():
        return label
    try:
        return idna.alabel(label).decode("ascii")
    except UnicodeError:
        return f"xn--{label.encode('punycode').decode('ascii')}"

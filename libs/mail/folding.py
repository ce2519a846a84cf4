"""Header fields that we write (RFC 5322 2.2): strict, so that no value from outside can add a field or a line."""

import re

from libs.mail.address import normalise
from libs.mail.encoded_words import MAX_WORD_OCTETS, encode_words

LINE_OCTETS = 78  # RFC 5322 2.1.1: should
MAX_LINE_OCTETS = 998  # RFC 5322 2.1.1: must

_NAME = re.compile(r"[!-9;-~]{1,76}")  # RFC 5322 2.2: printable ASCII but the colon
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]")
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]*")  # RFC 5322 3.2.3: a phrase that needs no quotes


def fold(name: str, value: str) -> bytes:
    """`Name: value` CRLF, folded at white space to 78 octets where it can be, never over 998.

    Words that are not ASCII, or too long for any line, become encoded-words (RFC 2047); runs of white space become one
    space. For addresses give `mailbox()` values, joined by a comma. Raises ValueError on a bad name and on CR, LF, NUL
    or other control characters in the value: such a value is an attempt to inject, or our own mistake.
    """
    if not _NAME.fullmatch(name):
        raise ValueError("a header name is 1 to 76 printable ASCII characters without a colon")
    if _CONTROL.search(value):
        raise ValueError(f"the value of header {name} has a control character")
    lines = [f"{name}:"]
    for word in _encoded(re.split(r"[ \t]+", value.strip(" \t")), len(name)):
        # The first word stays beside its name if it can lawfully: a line of the name alone looks odd to some readers.
        if len(lines[-1]) + 1 + len(word) <= (LINE_OCTETS if len(lines) > 1 or " " in lines[-1] else MAX_LINE_OCTETS):
            lines[-1] += " " + word
        else:
            lines.append(" " + word)
    return "\r\n".join(lines).encode("ascii") + b"\r\n"


def mailbox(display: str, address: str) -> str:
    """`display <address>` fit for `fold`: the display name quoted or encoded as it needs (RFC 5322 3.4, RFC 2047 5).

    Raises ValueError on control characters, on an invalid address (InvalidAddress), and on a non-ASCII address:
    it needs SMTPUTF8 (RFC 6532 3), which no reader is presumed to have.
    """
    if _CONTROL.search(display):
        raise ValueError("a display name has a control character")
    address = normalise(address)  # RFC 5891: a domain has an ASCII form always, a local part has none
    if not address.isascii():
        raise ValueError("the local part of an address is not ASCII")
    if not display.strip():
        return address
    if not display.isascii() or "=?" in display:
        return f"{' '.join(encode_words(display))} <{address}>"
    if _ATOMS.fullmatch(display):
        return f"{display} <{address}>"
    quoted = re.sub(r'(["\\])', r"\\\1", display)
    return f'"{quoted}" <{address}>'


def recipient(address: str) -> str:
    """Return any envelope address in a form that fits the To field of a message; never raises.

    An address that needs SMTPUTF8, and one that a careless reader would decode (against RFC 2047 5), stands in the
    name of an empty group instead, as in RFC 6857 3.1.5.
    """
    try:
        if "=?" not in address:
            return mailbox("", address)
    except ValueError:
        pass
    shown = "".join(c if c.isprintable() else " " for c in address).strip()[:300]
    return f"{' '.join(encode_words(shown or 'recipient'))} :;"


def _encoded(words: list[str], name_octets: int) -> list[str]:
    """The words, with everything from the first to the last that needs it encoded: the spaces between them count."""
    needy = [index for index, word in enumerate(words) if not word.isascii() or len(word) > MAX_LINE_OCTETS - 100]
    if not needy:
        return words
    first, last = needy[0], needy[-1] + 1
    room = MAX_WORD_OCTETS - name_octets - 1 if first == 0 else MAX_WORD_OCTETS
    return [*words[:first], *encode_words(" ".join(words[first:last]), first_octets=room), *words[last:]]

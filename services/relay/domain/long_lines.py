"""Lines of more than 998 octets, which a server need not take (RFC 5321 4.5.3.1.6): found, and folded in fields."""

from __future__ import annotations

import re

from libs.mail.folding import MAX_LINE_OCTETS, fold
from services.relay.domain.header_words import CannotConvert, field_name, unfolded

_WITH_END = MAX_LINE_OCTETS + 2
# A line of blanks alone is no fold, but an obsolete form that some take for the end of the header (RFC 5322 4.2).
_FOLD = re.compile(rb"[^ \t](?=[ \t]+[^ \t\r\n])")
_FREE_TEXT = re.compile(rb"subject|comments|content-description|x-[!-~]+")


def has_long_line(octets: bytes) -> bool:
    """Of text whose lines end in CRLF. It looks at a few octets of each thousand."""
    at, end = 0, len(octets) + (0 if octets.endswith(b"\r\n") else 2)
    while end - at > _WITH_END:
        line_end = octets.rfind(b"\r\n", at, at + _WITH_END)
        if line_end < 0:
            return True
        at = line_end + 2
    return False


def folded_field(field: bytes) -> bytes:
    """The same field when none of its lines is too long. Raises `CannotConvert`.

    It is folded where it has white space, which changes nothing for readers, nor for DKIM's relaxed form (RFC 6376
    3.4.2). Free text without any becomes encoded-words (RFC 2047); a word of another field has no other form.
    """
    if not has_long_line(field):
        return field
    lines = [piece for line in field.removesuffix(b"\r\n").split(b"\r\n") for piece in _pieces(line)]
    folded = b"\r\n".join(lines) + b"\r\n"
    if not has_long_line(folded):
        return folded
    name = field_name(field)
    if not _FREE_TEXT.fullmatch(name):
        raise CannotConvert(f"the field {name[:40].decode('ascii', 'replace')} has a word longer than a line")
    try:
        return fold(field.partition(b":")[0].strip().decode("ascii"), unfolded(field))
    except ValueError as error:
        raise CannotConvert(str(error)) from error


def _pieces(line: bytes) -> list[bytes]:
    """The line, cut before white space so that each piece is short enough, as far as it has any."""
    pieces = []
    while len(line) > MAX_LINE_OCTETS:
        places = [match.end() for match in _FOLD.finditer(line, 0, _WITH_END) if match.end() <= MAX_LINE_OCTETS]
        if not places:
            break
        pieces.append(line[: places[-1]])
        line = line[places[-1] :]
    return [*pieces, line]

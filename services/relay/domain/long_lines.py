"""Finds lines of more than 998 octets, which a server may refuse (RFC 5321 4.5.3.1.6), and folds them in fields."""

from __future__ import annotations

import re

from libs.mail.folding import MAX_LINE_OCTETS, fold
from services.relay.domain.header_words import CannotConvert, field_name, unfolded

_WITH_END = MAX_LINE_OCTETS + 2
# A line of blanks alone is an obsolete fold that some programs take for the end of the header (RFC 5322 4.2).
_FOLD = re.compile(rb"[^ \t](?=[ \t]+[^ \t\r\n])")
_FREE_TEXT = re.compile(rb"subject|comments|content-description|x-[!-~]+")


def has_long_line(octets: bytes) -> bool:
    """Whether text with CRLF line ends has a long line. It reads a few octets of each thousand."""
    at, end = 0, len(octets) + (0 if octets.endswith(b"\r\n") else 2)
    while end - at > _WITH_END:
        line_end = octets.rfind(b"\r\n", at, at + _WITH_END)
        if line_end < 0:
            return True
        at = line_end + 2
    return False


def folded_field(field: bytes) -> bytes:
    """Fold a field whose lines are too long; others stay unchanged. Raises `CannotConvert`.

    A field is folded at white space, which changes nothing for readers, nor for the relaxed canonicalization of DKIM
    (RFC 6376 3.4.2). Free text without white space becomes encoded-words (RFC 2047 2); other words have no other form.
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
    """Cut the line before white space into pieces that are short enough, as far as it has white space."""
    pieces = []
    while len(line) > MAX_LINE_OCTETS:
        places = [match.end() for match in _FOLD.finditer(line, 0, _WITH_END) if match.end() <= MAX_LINE_OCTETS]
        if not places:
            break
        pieces.append(line[: places[-1]])
        line = line[places[-1] :]
    return [*pieces, line]

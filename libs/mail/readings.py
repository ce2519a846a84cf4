"""Other readings of a message: what a reader sees that takes its damage otherwise than `parse` does.

Readers differ on lines that are no fields, on bare carriage returns, on two fields where one may be. Each such choice
is written out as octets that everyone reads alike, and read again, so that choices at several places come together too.
A message on which readers agree has none, and finding that out costs little. A scanner looks at all of them.
"""

import re
from collections import deque
from collections.abc import Iterator
from hashlib import blake2b
from typing import NamedTuple
from urllib.parse import quote

from libs.mail.choices import MOST, boundaries, encodings, types
from libs.mail.defects import Defect
from libs.mail.limits import DEFAULT_LIMITS, MessageLimits
from libs.mail.message import Message
from libs.mail.part import EMBEDDED, Part, type_of
from libs.mail.transfer import ENCODINGS, decode_body, other_base64_readings

_FIELD_LINES = re.compile(rb"^[!-9;-~]++[ \t]*+:[^\n]*+(?:\n[ \t][^\n]*+)*+(?:\n|\Z)", re.MULTILINE)
_LINE = re.compile(rb"([^\n]*+\n)(?:[ \t][^\n]*+\n)*+")  # with its folded lines
_BLANK_LINE = re.compile(rb"^\r*\n", re.MULTILINE)
_WHITE_LINE = re.compile(rb"\n[ \t]++\r?(?=\n)")
_NUL_IN_DELIMITER = re.compile(rb"^[ \0]*-[^\n]*\0", re.MULTILINE)
_BARE_CR = re.compile(rb"\r(?!\n)")
_FIRST_DELIMITER = re.compile(rb"^--(\S[^\r\n]{0,199}?)[ \t]*\r?$", re.MULTILINE)
_GUESSED_IN = 1024 * 1024
_SEVERAL_CR = re.compile(rb"\r{2,}(?=\n)")


class Reading(Message):
    """A message as another reader takes it. `is_decoded`: its octets do not stand in the original."""

    is_decoded = False


def other_readings(message: Message, limits: MessageLimits = DEFAULT_LIMITS) -> Iterator[Reading]:
    """Return every other reading of the message and of its contents, each once, within the limits.

    Readings beyond the limits are left out, and the message has the defect TOO_MANY_READINGS.
    """
    seen: set[bytes] = set()
    waiting, room = deque([message]), limits.reading_bytes
    while waiting:
        for part, variant in _of_message(waiting.popleft()):
            digest = _digest(variant.octets)
            if digest in seen:
                continue
            seen.add(digest)
            room -= len(variant.octets)
            if room < 0 or len(seen) > limits.readings:
                message.damage.add(Defect.TOO_MANY_READINGS)
                return
            reading = Reading(variant.octets, limits, default_type=part.default_type)
            reading.is_decoded = variant.is_decoded
            yield reading
            if not variant.is_content:
                waiting.append(reading)


def is_ambiguous(message: Message) -> bool:
    """Whether readers may differ on it at all, also where all that they may find is the same for us."""
    return any(not _is_clear(part) for part in message.parts()) or next(other_readings(message), None) is not None


class _Variant(NamedTuple):
    """Octets of a part that makes one choice otherwise; `is_content` where nothing of it is to be chosen any more."""

    octets: bytes
    is_decoded: bool = False
    is_content: bool = False


def _of_message(message: Message) -> Iterator[tuple[Part, _Variant]]:
    for part in message.parts():
        if _has_odd_line_ends(part):
            raw, start, end = part.span
            yield from ((part, _Variant(octets)) for octets in _of_line_ends(raw[start:end]))
        yield from ((part, _Variant(octets)) for octets in _of_block(part))
        yield from ((part, variant) for variant in _of_structure(part))


def _digest(octets: bytes) -> bytes:
    return blake2b(octets, digest_size=16).digest()


def _has_odd_line_ends(part: Part) -> bool:
    """Where they matter: in the fields and at delimiters."""
    raw, start, body = part.headers.span
    block = raw[start:body]
    if b"\0" in block or (b"\r" in block and block.count(b"\r") != block.count(b"\r\n")):
        return True
    if not part.is_multipart:
        return False
    end = part.span[2]
    return b"\r" in part.near_delimiters or (
        raw.find(b"\0", body, end) >= 0 and _NUL_IN_DELIMITER.search(raw, body, end) is not None
    )


def _of_line_ends(raw: bytes) -> Iterator[bytes]:
    """A bare CR ends a line for Python and for old Macs, relays make it CR LF; others drop it, or NULs."""
    if b"\0" in raw:
        yield raw.replace(b"\0", b"")
    if b"\r" in raw and raw.count(b"\r") != raw.count(b"\r\n"):
        yield _BARE_CR.sub(b"\r\n", raw)
        yield _BARE_CR.sub(b"\r\n", _SEVERAL_CR.sub(b"\r", raw))
        yield _BARE_CR.sub(b"", raw)


def _of_block(part: Part) -> Iterator[bytes]:
    """Where the header block ends, and what of it are fields."""
    headers = part.headers
    raw, start, end = part.span
    if headers.is_open:
        line = _LINE.match(raw, headers.body_start, end)
        yield from (raw[start : headers.body_start] + raw[at:end] for at in ((line.end(1), line.end()) if line else ()))
    if headers.is_open or headers.skipped:
        yield _passing_over(raw[start:end])
        stopped = [at for at, _ in headers.skipped if at > start]
        if stopped:
            yield raw[start : stopped[0]] + b"\r\n" + raw[stopped[0] : end]
    for white in _WHITE_LINE.finditer(raw, start, headers.body_start):
        yield raw[start : white.start() + 1] + b"\r\n" + raw[white.end() + 1 : end]
        break


def _passing_over(octets: bytes) -> bytes:
    """The fields up to the first blank line, and nothing else of the block."""
    blank = _BLANK_LINE.search(octets)
    block, body = (octets[: blank.start()], octets[blank.end() :]) if blank else (octets, b"")
    return b"".join(_FIELD_LINES.findall(block)) + b"\r\n" + body


class _Choice(NamedTuple):
    """What a part is taken for: a type, octets of a boundary where that is a multipart, an encoding or none."""

    type: str
    boundary: bytes
    encoding: str


def _of_structure(part: Part) -> Iterator[_Variant]:
    """By another type, boundary or encoding, with delimiters read otherwise, with damaged base64 read otherwise."""
    raw, start, end = part.body_span
    if part.is_multipart and Defect.BROKEN_BOUNDARY in part.damage:
        yield _rewritten(part, _chosen(part)._replace(boundary=part.boundary), _reopened(raw[start:end], part.boundary))
    if b"\n" in part.near_delimiters:
        yield _rewritten(
            part, _chosen(part)._replace(encoding=""), _with_whole_delimiters(raw[start:end], part.boundary)
        )
    if Defect.BAD_BASE64 in part.damage and part.is_leaf:
        as_it_is = _Choice(part.content_type, b"", "base64")
        for octets in other_base64_readings(raw[start:end]):
            yield _rewritten(part, as_it_is, octets)
    if not _is_clear(part):
        yield from _of_choices(part, raw[start:end])


def _is_clear(part: Part) -> bool:
    """Whether all readers take it for the same."""
    if not part.parameters.is_clear or part.headers.count("Content-Type") > 1 or not part.has_clear_encoding:
        return False
    if part.is_multipart:
        return not part.is_leaf and part.encoding not in ENCODINGS
    return not (part.is_embedded_message and part.encoding in ENCODINGS)


def _of_choices(part: Part, body: bytes) -> Iterator[_Variant]:
    headers, settled = part.headers, _chosen(part)
    values = [value.decode("latin-1") for value in headers.all_octets("Content-Type")]
    kinds, marks = types(values) or [part.default_type], boundaries(values)
    codes = encodings(headers.all("Content-Transfer-Encoding"))
    if max(len(kinds), len(marks), len(codes)) > MOST:
        part.damage.add(Defect.TOO_MANY_READINGS)
    for code in codes:
        decoded = decode_body(code, body)[0] if code else body
        for kind in dict.fromkeys((part.content_type, *map(type_of, kinds))):
            for choice in _choices(kind, marks, code, decoded):
                if choice != settled:
                    yield _rewritten(part, choice, decoded)
            if code and kind.startswith(("multipart/", "message/")):  # RFC 2045 6.4: not every reader decodes them
                for choice in _choices(kind, marks, "", body):
                    if choice != settled:
                        yield _rewritten(part, choice, body)


def _chosen(part: Part) -> _Choice:
    """As `Part` and the walk take it."""
    if part.is_multipart:
        return _Choice(part.content_type, b"" if part.is_leaf else part.boundary, "")
    return _Choice(part.content_type, b"", part.encoding if part.encoding in ENCODINGS else "")


def _choices(kind: str, marks: list[str], code: str, body: bytes) -> Iterator[_Choice]:
    if not kind.startswith("multipart/"):
        yield _Choice(kind, b"", code)
        return
    octets = [mark.encode("latin-1", "replace") for mark in marks]
    there = [mark for mark in octets if mark and b"--" + mark in body]
    if not there and (guess := _FIRST_DELIMITER.search(body, 0, _GUESSED_IN)):
        there = [guess[1]]  # Outlook and others take the first line that looks like a delimiter
    yield from (_Choice(kind, mark, code) for mark in there)


def _rewritten(part: Part, choice: _Choice, body: bytes) -> _Variant:
    """The part with fields that leave no choice. `body` is decoded already."""
    boundary = re.sub(rb'(["\\])', rb"\\\1", choice.boundary)
    parameter = b'; boundary="' + boundary + b'"' if boundary else b""
    names = b"".join(b"; filename*=utf-8''" + quote(name, safe="").encode() for name in part.file_names[:1])
    shown = (part.disposition if part.disposition in ("inline", "attachment") else "inline").encode() + names
    kind = choice.type.encode("ascii", "replace") + parameter
    disposition = b"Content-Disposition: " + shown + b"\r\n" if names or part.disposition else b""
    octets = b"Content-Type: " + kind + b"\r\n" + disposition + b"\r\n" + body
    is_content = not choice.boundary and choice.type not in EMBEDDED
    return _Variant(octets, is_decoded=bool(choice.encoding), is_content=is_content)


def _with_whole_delimiters(body: bytes, boundary: bytes) -> bytes:
    """Lines that only start like a delimiter become one (RFC 2046 5.1.1 takes them for it)."""
    like = re.compile(rb"^--" + re.escape(boundary) + rb"(--)?[^\r\n]*+", re.MULTILINE)
    return like.sub(lambda line: b"--" + boundary + (line[1] or b""), body)


def _reopened(body: bytes, boundary: bytes) -> bytes:
    """A closing delimiter with something behind it does not close."""
    return re.sub(
        rb"^--" + re.escape(boundary) + rb"--(?=[ \t]*\r?$)", lambda line: line[0][:-2], body, flags=re.MULTILINE
    )

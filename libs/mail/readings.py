"""Other readings of a message: what a reader sees that takes its damage otherwise than `parse` does.

Readers differ on lines that are no fields, on bare carriage returns, on two fields where one may be. Each such choice
is written out as octets that everyone reads alike, and read again, so that choices at several places come together too.
A message on which readers agree has none, and finding that out costs little. A scanner looks at all of them.
"""

import re
from collections import deque
from collections.abc import Iterator
from hashlib import blake2b

from libs.mail.defects import Defect
from libs.mail.limits import DEFAULT_LIMITS, Limits
from libs.mail.message import Message
from libs.mail.part import Part

_FIELD_LINES = re.compile(rb"^[!-9;-~]++[ \t]*+:[^\n]*+(?:\n[ \t][^\n]*+)*+(?:\n|\Z)", re.MULTILINE)
_BLANK_LINE = re.compile(rb"^\r*\n", re.MULTILINE)
_WHITE_LINE = re.compile(rb"\n[ \t]++\r?(?=\n)")
_BARE_CR = re.compile(rb"\r(?!\n)")
_SEVERAL_CR = re.compile(rb"\r{2,}(?=\n)")


def other_readings(message: Message, limits: Limits = DEFAULT_LIMITS) -> Iterator[Message]:
    """Every other reading of the message and of what is in it, each once, within the limits.

    What lies beyond them goes unread, and the message has the defect TOO_MANY_READINGS.
    """
    seen = {_digest(message.raw)}
    waiting, room = deque([message]), limits.reading_bytes
    while waiting:
        for octets, default_type in _of_message(waiting.popleft()):
            digest = _digest(octets)
            if digest in seen:
                continue
            seen.add(digest)
            room -= len(octets)
            if room < 0 or len(seen) > limits.readings:
                message.damage.add(Defect.TOO_MANY_READINGS)
                return
            reading = Message(octets, limits, default_type=default_type)
            yield reading
            waiting.append(reading)


def _of_message(message: Message) -> Iterator[tuple[bytes, str]]:
    """(octets, type where none is declared) of each reading that makes one choice otherwise."""
    for part in message.parts():
        raw, start, _ = part.span
        if start == 0:  # once for all parts that lie in the same octets
            yield from ((octets, part.default_type) for octets in _of_line_ends(raw))
        yield from ((octets, part.default_type) for octets in _of_block(part))


def _digest(octets: bytes) -> bytes:
    return blake2b(octets, digest_size=16).digest()


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

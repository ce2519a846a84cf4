"""Multipart bodies (RFC 2046 5.1): where their parts start and end. Offsets only, nothing is copied."""

from collections.abc import Iterator
from enum import Enum, auto

from libs.mail.defects import Defect

_MAX_NEAR_MISSES = 10_000  # lines that only start like a delimiter, such as inner boundaries


class _Line(Enum):
    OPENS = auto()
    CLOSES = auto()
    NEITHER = auto()


def sections(
    raw: bytes, start: int, end: int, *, boundary: bytes, defects: set[Defect], near: set[bytes] | None = None
) -> Iterator[tuple[int, int]]:
    """(start, end) of each part between the delimiter lines, headers included; preamble and epilogue are left out.

    `start` is the start of a line, so a line feed stands before it. Parts behind the closing delimiter count too, with
    a defect: some clients show them. Damage is added to `defects`; the walk ends when the caller stops asking.
    `near` collects the octet before a possible delimiter of other readers: LF before lines that only start like one,
    such as inner boundaries (which RFC 2046 5.1.1 allows), CR where a bare one precedes it.
    """
    opened: int | None = None
    closed = False
    for line_start, line_end, kind in _delimiters(
        raw, start, end, b"--" + boundary, defects, set() if near is None else near
    ):
        if opened is not None:
            yield opened, _before_line_break(raw, opened, line_start)
        if closed:
            defects.add(Defect.BROKEN_BOUNDARY)
        opened = None if kind is _Line.CLOSES else min(line_end + 1, end)
        closed = kind is _Line.CLOSES
    if opened is not None:
        defects.add(Defect.MISSING_END_BOUNDARY)
        yield opened, end
    elif not closed:
        defects.add(Defect.BROKEN_BOUNDARY)


def _delimiters(
    raw: bytes, start: int, end: int, mark: bytes, defects: set[Defect], near: set[bytes]
) -> Iterator[tuple[int, int, _Line]]:
    """(start, end without its LF, kind) of each delimiter line."""
    misses, at = 0, raw.find(mark, start, end)
    while at >= 0:
        line_end = raw.find(b"\n", at + len(mark), end)
        line_end = end if line_end < 0 else line_end
        before = raw[at - 1 : at] or b"\n"
        kind = _kind(raw[at + len(mark) : line_end]) if before == b"\n" else _Line.NEITHER
        if raw[at - 3 : at] == b"\r\r\n":
            near.add(b"\r")
        elif kind is _Line.NEITHER:
            near.add(before)
        if kind is not _Line.NEITHER:
            yield at, line_end, kind
        elif (misses := misses + 1) > _MAX_NEAR_MISSES:
            defects.add(Defect.TOO_MANY_PARTS)
            return
        at = raw.find(mark, line_end if before == b"\n" else at + len(mark), end)


def _kind(rest: bytes) -> _Line:
    """What follows the boundary on its line decides: RFC 2046 5.1.1 allows white space, and two hyphens that close."""
    if not rest or not rest.strip(b" \t\r"):
        return _Line.OPENS
    return _Line.CLOSES if rest[:2] == b"--" and rest[2:3] in (b"", b" ", b"\t", b"\r") else _Line.NEITHER


def _before_line_break(raw: bytes, start: int, line: int) -> int:
    """RFC 2046 5.1.1: the line break before a delimiter belongs to the delimiter."""
    if line - 2 >= start and raw[line - 2 : line] == b"\r\n":
        return line - 2
    return max(start, line - 1)

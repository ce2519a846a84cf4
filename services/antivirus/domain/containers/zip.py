"""zip (APPNOTE 4.3): read by its central directory, then by the local headers that the directory omits.

The standard library trusts the directory and refuses the rest; a scanner must see all that any unpacker shows.
"""

from __future__ import annotations

import struct
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass

from services.antivirus.domain.budget import ScanBudget
from services.antivirus.domain.containers.inflating import Expanded, expand
from services.antivirus.domain.containers.zip_methods import decompressor_for
from services.antivirus.domain.content import ScanContent
from services.antivirus.domain.detections import Detection, DetectionKind, detection
from services.antivirus.domain.office import is_macro_entry

_LOCAL, _CENTRAL, _END = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
_RECORDS = (_LOCAL, _CENTRAL, b"PK\x07\x08")
_LOCAL_FIELDS = struct.Struct("<6xHH8xI4xHH")  # APPNOTE 4.3.7: flags, method, packed size, two lengths
_CENTRAL_FIELDS = struct.Struct("<8xHH8xI4xHHH8xI")  # APPNOTE 4.3.12
_END_64, _LOCATOR_64 = b"PK\x06\x06", b"PK\x06\x07"
_EXTRA_64 = 0x0001  # APPNOTE 4.5.3
_ENCRYPTED, _SIZES_FOLLOW, _UTF_8 = 0x0001, 0x0008, 0x0800  # APPNOTE 4.4.4
_ELSEWHERE = 0xFFFFFFFF  # zip64: the size stands in an extra field; most streams know their own end
_STORED, _AES = 0, 99

Found = ScanContent | Detection


@dataclass(frozen=True, slots=True)
class _Entry:
    """A file of the central directory; `start` is the offset of its local header."""

    name: str
    flags: int
    method: int
    start: int
    packed_size: int


def open_zip(content: ScanContent, budget: ScanBudget) -> Iterator[Found]:
    """Every file in the directory, then every file outside of it."""
    octets = content.octets
    spans: list[tuple[int, int]] = []
    has_macros = False
    for entry in _directory(octets):
        budget.entry()
        has_macros = has_macros or is_macro_entry(entry.name)
        end = yield from _open(octets, entry.start, entry, budget)
        spans.append((entry.start, end))
    if has_macros:
        yield detection(DetectionKind.MACRO, content.name or "document")
    for start, end in _gaps(spans, len(octets)):
        position = start
        while (at := octets.find(_LOCAL, position, end)) >= 0:
            budget.entry()
            position = max(at + len(_LOCAL), (yield from _open(octets, at, None, budget)))


def _directory(octets: bytes) -> Iterator[_Entry]:
    """The central directory; offsets move by what stands before the archive (a self-extractor)."""
    end = octets.rfind(_END)
    if end < 0 or end + 20 > len(octets):
        return
    size, offset = struct.unpack_from("<II", octets, end + 12)
    if _ELSEWHERE in (size, offset) and (end_64 := octets.rfind(_END_64, 0, end)) >= 0 and end_64 + 56 <= end:
        end, (size, offset) = end_64, struct.unpack_from("<QQ", octets, end_64 + 40)  # 4.3.14
    at = end - size if octets.startswith(_CENTRAL, max(end - size, 0)) else octets.find(_CENTRAL)
    shift = max(at - offset, 0)
    while at >= 0 and octets.startswith(_CENTRAL, at) and at + _CENTRAL_FIELDS.size <= len(octets):
        flags, method, packed_size, name_size, extra_size, comment_size, start = _CENTRAL_FIELDS.unpack_from(octets, at)
        name = _text(octets[at + 46 : at + 46 + name_size], flags)
        extra = octets[at + 46 + name_size : at + 46 + name_size + extra_size]
        (whole_size,) = struct.unpack_from("<I", octets, at + 24)
        _, packed_size, start = _sizes_64(extra, whole_size, packed_size, start)
        at += 46 + name_size + extra_size + comment_size
        yield _Entry(name, flags, method, start + shift, packed_size)


def _sizes_64(extra: bytes, *values: int) -> tuple[int, ...]:
    """Return `values` in their order, with those of the zip64 field in their place (APPNOTE 4.5.3)."""
    found, at = list(values), 0
    while at + 4 <= len(extra):
        kind, size = struct.unpack_from("<HH", extra, at)
        field, at = extra[at + 4 : at + 4 + size], at + 4 + size
        if kind == _EXTRA_64:
            for index, value in enumerate(found):
                if value == _ELSEWHERE and len(field) >= 8:
                    found[index], field = int.from_bytes(field[:8], "little"), field[8:]
    return tuple(found)


def _gaps(spans: Sequence[tuple[int, int]], size: int) -> Iterator[tuple[int, int]]:
    """What no span covers. A stored archive inside an entry is covered: it is opened as that entry's content."""
    position = 0
    for start, end in sorted(spans):
        if start > position:
            yield position, start
        position = max(position, end)
    yield position, size


def _open(octets: bytes, start: int, entry: _Entry | None, budget: ScanBudget) -> Generator[Found, None, int]:
    """The file whose local header is at `start`; returns where it ends."""
    if not octets.startswith(_LOCAL, start) or start + _LOCAL_FIELDS.size > len(octets):
        yield detection(
            DetectionKind.UNREADABLE_ARCHIVE, "no file where the directory says:", entry.name if entry else ""
        )
        return start
    flags, method, packed_size, name_size, extra_size = _LOCAL_FIELDS.unpack_from(octets, start)
    begin = start + 30 + name_size + extra_size
    (whole_size,) = struct.unpack_from("<I", octets, start + 22)
    _, packed_size = _sizes_64(octets[begin - extra_size : begin], whole_size, packed_size)
    name = entry.name if entry else _text(octets[start + 30 : start + 30 + name_size], flags)
    if entry:
        packed_size = entry.packed_size
    elif flags & _SIZES_FOLLOW:
        packed_size = _ELSEWHERE
    end = len(octets) if packed_size == _ELSEWHERE else min(begin + packed_size, len(octets))
    if (flags | (entry.flags if entry else 0)) & _ENCRYPTED or method == _AES:
        yield detection(DetectionKind.ENCRYPTED, name)
        yield ScanContent(b"", name)
        return end
    if entry and entry.method != method:
        yield detection(DetectionKind.UNREADABLE_ARCHIVE, "header and directory disagree:", name)
        yield from _expand(octets, (begin, end), name, entry.method, budget)
    sized = packed_size != _ELSEWHERE
    end_of_stream = yield from _expand(
        octets, (begin, end if sized or method else _next_record(octets, begin)), name, method, budget
    )
    return end if sized else end_of_stream


def _expand(
    octets: bytes, span: tuple[int, int], name: str, method: int, budget: ScanBudget
) -> Generator[Found, None, int]:
    """The content of one file; returns where its stream ends."""
    begin, end = span
    if method == _STORED:
        budget.grown(end - begin, total=0, packed=0)
        yield ScanContent(octets[begin:end], name)
        return end
    decompressor, begin = decompressor_for(method, octets, begin)
    expanded = expand(decompressor, octets, begin, end, budget) if decompressor else Expanded(b"", begin, whole=False)
    if not expanded.whole:
        yield detection(DetectionKind.UNREADABLE_ARCHIVE, "damaged or of an unknown method:", name)
    yield ScanContent(expanded.octets, name)
    return expanded.end


def _next_record(octets: bytes, begin: int) -> int:
    """Where a stored file ends whose size stands nowhere before it."""
    return min((at for mark in _RECORDS if (at := octets.find(mark, begin)) >= 0), default=len(octets))


def _text(name: bytes, flags: int) -> str:
    """4.4.4, bit 11: UTF-8, otherwise the code page of the first PCs. Many write UTF-8 without saying so."""
    try:
        return name.decode("utf-8")
    except UnicodeDecodeError:
        return name.decode("utf-8" if flags & _UTF_8 else "cp437", "replace")

"""Archives of Unix packages: ar (.deb), cpio, and RPM, which holds a cpio."""

from __future__ import annotations

from collections.abc import Iterator

from services.antivirus.domain.budget import ScanBudget
from services.antivirus.domain.content import ScanContent
from services.antivirus.domain.detections import Detection, DetectionKind, detection

_AR_START, _AR_HEADER = 8, 60
_LEAD = 96  # of an RPM; two headers follow, then the payload
_HEADER_MARK = b"\x8e\xad\xe8\x01"
_CPIO_END = b"TRAILER!!!"


def open_ar(content: ScanContent, budget: ScanBudget) -> Iterator[ScanContent | Detection]:
    """ar(5): name (16 octets), time, owners, mode, size (10 digits), end mark; members stand at even places."""
    octets, position = content.octets, _AR_START
    while position + _AR_HEADER <= len(octets):
        budget.entry()
        header = octets[position : position + _AR_HEADER]
        digits = header[48:58].strip()
        if header[58:60] != b"`\n" or not digits.isdigit():
            yield detection(DetectionKind.UNREADABLE_ARCHIVE, "damaged ar:", content.name)
            return
        size = int(digits)
        position += _AR_HEADER
        value = octets[position : position + size]
        budget.grown(len(value), total=0, packed=0)
        name, value = _bsd_name(header[:16], value)
        yield ScanContent(value, name)
        position += size + (size & 1)


def _bsd_name(field: bytes, value: bytes) -> tuple[str, bytes]:
    """BSD puts a long name before the file, GNU a slash behind a short one."""
    length = field[3:].strip()
    if field.startswith(b"#1/") and length.isdigit():
        size = int(length)
        return value[:size].rstrip(b"\0").decode("utf-8", "replace"), value[size:]
    return field.strip().removesuffix(b"/").decode("utf-8", "replace"), value


def open_cpio(content: ScanContent, budget: ScanBudget) -> Iterator[ScanContent | Detection]:
    """cpio(5): the "newc" format (hexadecimal, aligned to 4) and the older "odc" (octal)."""
    octets, position = content.octets, 0
    while (read := _cpio_header(octets, position)) is not None:
        budget.entry()
        name_at, name_size, size, alignment = read
        name = octets[name_at : name_at + name_size].rstrip(b"\0")
        begin = _aligned(name_at + name_size, alignment)
        if name == _CPIO_END:
            return
        value = octets[begin : begin + size]
        budget.grown(len(value), total=0, packed=0)
        yield ScanContent(value, name.decode("utf-8", "replace"))
        position = _aligned(begin + size, alignment)
    if position < len(octets):
        yield detection(DetectionKind.UNREADABLE_ARCHIVE, "damaged cpio:", content.name)


def _cpio_header(octets: bytes, at: int) -> tuple[int, int, int, int] | None:
    """Where the name is, its size, the size of the file, the alignment; None where there is no header."""
    try:
        if octets.startswith((b"070701", b"070702"), at):
            fields = octets[at + 6 : at + 110]
            return at + 110, int(fields[88:96], 16), int(fields[48:56], 16), 4
        if octets.startswith(b"070707", at):
            return at + 76, int(octets[at + 59 : at + 65], 8), int(octets[at + 65 : at + 76], 8), 1
    except ValueError:
        return None
    return None


def _aligned(position: int, alignment: int) -> int:
    return -(-position // alignment) * alignment


def open_rpm(content: ScanContent, budget: ScanBudget) -> Iterator[ScanContent | Detection]:
    """The payload behind the lead, the signature (padded to 8) and the header; it says itself how it is packed."""
    octets, position = content.octets, _LEAD
    for padding in (8, 1):
        if not octets.startswith(_HEADER_MARK, position) or position + 16 > len(octets):
            yield detection(DetectionKind.UNREADABLE_ARCHIVE, "damaged RPM:", content.name)
            return
        entries = int.from_bytes(octets[position + 8 : position + 12], "big")
        size = int.from_bytes(octets[position + 12 : position + 16], "big")
        position = _aligned(position + 16 + entries * 16 + size, padding)
    budget.grown(max(len(octets) - position, 0), total=0, packed=0)
    yield ScanContent(octets[position:], "payload.cpio")

"""Compound files: old Office documents, vbaProject.bin, Outlook's .msg, installers (.msi)."""

from __future__ import annotations

from collections.abc import Iterator

from services.antivirus.domain.budget import ScanBudget
from services.antivirus.domain.containers.compound_file import CompoundFile, Stream
from services.antivirus.domain.content import ScanContent
from services.antivirus.domain.detections import Detection, DetectionKind, detection
from services.antivirus.domain.excel_records import read_workbook
from services.antivirus.domain.office import (
    has_old_dde,
    ole_has_macros,
    ole_is_encrypted,
    starts_by_itself,
    word_is_encrypted,
)
from services.antivirus.domain.vba_source import modules

_PACKAGE = "\x01Ole10Native"  # MS-OLEDS 2.3.6: a file that was dropped into a document


def open_ole(content: ScanContent, budget: ScanBudget) -> Iterator[ScanContent | Detection]:
    """Yield each stream, embedded files under their names, the source of macros, and their detections."""
    name = content.name or "document"
    if ole_has_macros(content.octets):
        yield detection(DetectionKind.MACRO, name)
    if ole_is_encrypted(content.octets):
        yield detection(DetectionKind.ENCRYPTED, name)
    try:
        file = CompoundFile(content.octets, budget)
    except ValueError as error:
        yield detection(DetectionKind.UNREADABLE_ARCHIVE, f"{error}:", name)
        return
    for stream in file.streams():
        yield from _marks(stream, name)
        yield from _macros(stream, name, budget)
        yield dropped_file(stream.octets) if stream.name == _PACKAGE else ScanContent(stream.octets)


def _marks(stream: Stream, name: str) -> Iterator[Detection]:
    """What single streams tell of the document."""
    match stream.name:
        case "Workbook" | "Book":
            workbook = read_workbook(stream.octets)
            if workbook.is_encrypted:
                yield detection(DetectionKind.ENCRYPTED, name)
            if workbook.has_macro_sheet:
                yield detection(DetectionKind.MACRO, "Excel 4 macros in", name)
                if workbook.starts:
                    yield detection(DetectionKind.AUTO_MACRO, workbook.starts, "in", name)
        case "WordDocument":
            if word_is_encrypted(stream.octets):
                yield detection(DetectionKind.ENCRYPTED, name)
            if has_old_dde(stream.octets):
                yield detection(DetectionKind.OFFICE_LINK, "starts a program by DDE:", name)
        case "_VBA_PROJECT":
            if start := starts_by_itself(stream.octets):
                yield detection(DetectionKind.AUTO_MACRO, start, "in", name)


def _macros(stream: Stream, name: str, budget: ScanBudget) -> Iterator[ScanContent | Detection]:
    for source in modules(stream.octets, budget):
        yield detection(DetectionKind.MACRO, name)
        if start := starts_by_itself(source):
            yield detection(DetectionKind.AUTO_MACRO, start, "in", name)
        yield ScanContent(source, stream.name)


def dropped_file(octets: bytes) -> ScanContent:
    """Size (4 octets), flags (2), label and path up to a NUL each, 8 octets, path, then size (4) and the file."""
    label, _, rest = octets[6:].partition(b"\0")
    rest = rest.partition(b"\0")[2]
    path_size = int.from_bytes(rest[4:8], "little")
    file = rest[8 + path_size :]
    size = int.from_bytes(file[:4], "little")
    if not 0 < size <= len(file) - 4:
        return ScanContent(octets)  # the name does not fit the content: all of it is scanned
    return ScanContent(file[4 : 4 + size], label.decode("cp1252", "replace"))

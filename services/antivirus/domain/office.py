"""Office documents: macros, passwords and links that work by themselves, by marks that are cheap to find."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

from services.antivirus.domain.detections import Detection, DetectionKind, detection

# MS-OVBA 2.2.1: every VBA project holds this stream; names in a directory are UTF-16 (MS-CFB 2.6.1).
_VBA = "_VBA_PROJECT".encode("utf-16-le")
_ENCRYPTED_PACKAGE = "EncryptedPackage".encode("utf-16-le")  # MS-OFFCRYPTO 2.3.4.4

_MACRO_ENTRY_ENDS = ("vbaproject.bin", "vbadata.xml", "basic/script-lc.xml")  # OOXML, OOXML, OpenDocument
_EXCEL_4_SHEETS = "/macrosheets/"

# The procedures that Word, Excel and PowerPoint call by themselves. No word boundaries: beside the source, names stand
# in the compiled project with their length before them, and there alone where the source was taken out ("stomping").
_STARTS = re.compile(
    rb"auto_?(?:exec|open|close|exit|new)|document_?(?:open|close|new|beforeclose|beforesave|change)|newdocument"
    rb"|workbook_?(?:open|activate|close|beforeclose)|presentation_?open|onslideshowpagechange",
    re.IGNORECASE,
)
_EXCEL_STARTS = re.compile(rb"_xlnm\.auto_(?:open|close|activate)", re.IGNORECASE)

_FIELDS = re.compile(rb"<w:instrText[^<>]{0,200}>([^<]{0,4000})|w:instr=\"([^\"<>]{0,4000})\"")
_DDE = re.compile(rb"\bDDE(?:AUTO)?\b", re.IGNORECASE)
_OLD_DDE = re.compile(
    rb"\x13 {0,9}DDE|\x13\0(?: \0){0,9}D\0D\0E\0", re.IGNORECASE
)  # MS-DOC 2.9.90: 0x13 starts a field

_RELATIONSHIPS_BYTES = 8 * 1024 * 1024  # honest ones have a few hundred thousand octets
_RELATIONSHIP = re.compile(r"<Relationship\s([^<>]{0,8000})>", re.IGNORECASE)
_LOADED = re.compile(r"type=[\"'][^\"']{0,300}/(?:attachedtemplate|oleobject|frame|subdocument)[\"']", re.IGNORECASE)
_ELSEWHERE = re.compile(
    r"target=[\"']\s*(?:https?:|ftp:|mhtml:|ms-[a-z-]+:|javascript:|\\\\|//|file:/{4,}|file:\\+|file://[a-z0-9])",
    re.IGNORECASE,
)


def ole_has_macros(octets: bytes) -> bool:
    """Of a compound file: whether it holds a VBA project."""
    return _VBA in octets


def ole_is_encrypted(octets: bytes) -> bool:
    """Of a compound file: whether it is an OOXML document behind a password."""
    return _ENCRYPTED_PACKAGE in octets


def starts_by_itself(source: bytes) -> str:
    """The first procedure in macro text or in a compiled project that is called without a click; empty if none is."""
    found = _STARTS.search(source)
    return found[0].decode("ascii", "replace") if found else ""


def word_is_encrypted(stream: bytes) -> bool:
    """MS-DOC 2.5.2, FibBase: bit `fEncrypted` of the stream `WordDocument`."""
    return stream[:2] == b"\xec\xa5" and len(stream) > 11 and bool(stream[11] & 0x01)


def has_old_dde(stream: bytes) -> bool:
    """A field of an old Word document that starts another program."""
    return _OLD_DDE.search(stream) is not None


def is_macro_entry(name: str) -> bool:
    """Whether an archive with an entry of this name is an office document with macros."""
    lower = name.replace("\\", "/").lower()
    return lower.endswith(_MACRO_ENTRY_ENDS) or _EXCEL_4_SHEETS in lower


def part_detections(name: str, octets: bytes) -> Iterator[Detection]:
    """What one entry of an OOXML document shows; of other entries nothing."""
    lower = name.replace("\\", "/").lower()
    if lower.endswith(".rels"):
        if len(octets) > _RELATIONSHIPS_BYTES:
            yield detection(DetectionKind.OFFICE_LINK, "too many links to read them:", name)
        elif _loads_from_elsewhere(octets):
            yield detection(DetectionKind.OFFICE_LINK, "loaded from elsewhere:", name)
    elif lower.endswith(("xl/workbook.xml", "xl/workbook.bin")):
        if _EXCEL_STARTS.search(octets.replace(b"\0", b"")):
            yield detection(DetectionKind.AUTO_MACRO, name)
    elif "/externallinks/" in lower:
        if b"<ddeLink" in octets:
            yield detection(DetectionKind.OFFICE_LINK, "starts a program by DDE:", name)
    elif lower.startswith("word/") and lower.endswith(".xml"):
        fields = b"".join(run or simple for run, simple in _FIELDS.findall(octets))
        if _DDE.search(fields):
            yield detection(DetectionKind.OFFICE_LINK, "starts a program by DDE:", name)


def _loads_from_elsewhere(octets: bytes) -> bool:
    """A template, object or frame that comes from another host (an attack known as template injection)."""
    encoding = "utf-16" if octets[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8"
    text = html.unescape(octets.decode(encoding, "replace"))
    return any(_LOADED.search(link) and _ELSEWHERE.search(link) for link in _RELATIONSHIP.findall(text))

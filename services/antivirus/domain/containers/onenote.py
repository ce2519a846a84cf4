"""OneNote sections: files that were dropped into a page."""

from __future__ import annotations

from collections.abc import Iterator

from services.antivirus.domain.budget import ScanBudget
from services.antivirus.domain.content import ScanContent
from services.antivirus.domain.detections import Detection, DetectionKind, detection

# MS-ONESTORE 2.6.13, FileDataStoreObject: this GUID, a length of 8 octets, 12 reserved ones, the file.
_FILE = bytes.fromhex("e716e3bd65261145a4c48d4d0b7a9eac")
_HEADER = 36


def open_onenote(content: ScanContent, budget: ScanBudget) -> Iterator[ScanContent | Detection]:
    """Yield each file. Its name stands elsewhere in the section, so its octets alone tell its format."""
    octets, position = content.octets, 0
    while (at := octets.find(_FILE, position)) >= 0:
        budget.entry()
        size = int.from_bytes(octets[at + 16 : at + 24], "little")
        begin = at + _HEADER
        file = octets[begin : begin + size]
        budget.grown(len(file), total=0, packed=0)
        if len(file) < size:
            yield detection(DetectionKind.UNREADABLE_ARCHIVE, "cut off:", content.name or "OneNote section")
        yield ScanContent(file, "file in a OneNote page")
        position = at + len(_FILE)

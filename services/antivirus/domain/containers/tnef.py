"""winmail.dat: Outlook's own wrapping of attachments (MS-OXTNEF). Only what holds file octets is read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum

from services.antivirus.domain.budget import ScanBudget
from services.antivirus.domain.containers.mapi import (
    DISPLAY_NAME,
    FILENAME,
    LONG_FILENAME,
    RTF_COMPRESSED,
    decompressed_rtf,
    properties,
)
from services.antivirus.domain.content import Role, ScanContent
from services.antivirus.domain.detections import Detection, DetectionKind, detection

# MS-OXTNEF 2.1.3.3: level (1 octet), id (4), length (4), octets, checksum (2); all little-endian.
_HEADER = 9
_LONGEST_RTF = 8 * 1024 * 1024
_NAMES = (LONG_FILENAME, FILENAME, DISPLAY_NAME)


class _Id(IntEnum):
    RENDER_DATA = 0x00069002  # starts an attachment
    TITLE = 0x00018010
    DATA = 0x0006800F
    ATTACHMENT_PROPERTIES = 0x00069005  # long names, embedded messages and OLE objects are in here
    MESSAGE_PROPERTIES = 0x00069003  # the body is in here


@dataclass(slots=True)
class _Attachment:
    """The files of one attachment. More than one file is malformed, and each of them is scanned."""

    files: list[bytes] = field(default_factory=list)
    names: list[str] = field(default_factory=list)  # the one that Outlook shows first

    def contents(self) -> Iterator[ScanContent]:
        shown = self.names[0] if self.names else ""
        yield from (ScanContent(octets, shown, role=Role.ATTACHMENT) for octets in self.files)
        # A name that only other readers show is looked at as a name.
        yield from (ScanContent(b"", name) for name in dict.fromkeys(self.names) if name != shown or not self.files)


def open_tnef(content: ScanContent, budget: ScanBudget) -> Iterator[ScanContent | Detection]:
    """Yield each attachment under the name that Outlook shows, and the contents of MAPI properties."""
    octets, position = content.octets, 6
    attachment = _Attachment()
    while position + _HEADER <= len(octets):
        budget.entry()
        attribute = int.from_bytes(octets[position + 1 : position + 5], "little")
        size = int.from_bytes(octets[position + 5 : position + 9], "little")
        position += _HEADER
        value = octets[position : position + size]
        if len(value) < size:
            yield detection(DetectionKind.UNREADABLE_ARCHIVE, "cut off:", content.name or "winmail.dat")
        position += size + 2
        budget.grown(len(value), total=0, packed=0)
        match attribute:
            case _Id.RENDER_DATA:
                yield from attachment.contents()
                attachment = _Attachment()
            case _Id.TITLE:
                attachment.names.append(value.split(b"\0")[0].decode("cp1252", "replace"))
            case _Id.DATA:
                attachment.files.append(value)
            case _Id.ATTACHMENT_PROPERTIES | _Id.MESSAGE_PROPERTIES:
                yield from _of_properties(value, attachment, budget)
    yield from attachment.contents()


def _of_properties(value: bytes, attachment: _Attachment, budget: ScanBudget) -> Iterator[ScanContent | Detection]:
    names: dict[int, str] = {}
    try:
        for found in properties(value):
            budget.entry()
            if found.id in _NAMES:
                names.setdefault(found.id, found.text)
            elif found.id == RTF_COMPRESSED:
                rtf = decompressed_rtf(found.octets, _LONGEST_RTF)
                budget.grown(len(rtf), total=len(rtf), packed=len(found.octets))
                yield ScanContent(rtf or found.octets)
            else:
                yield ScanContent(found.content)
    except ValueError:
        yield detection(
            DetectionKind.UNREADABLE_ARCHIVE, "damaged properties:", next(iter(attachment.names), "winmail.dat")
        )
        yield ScanContent(value)
    attachment.names[:0] = [names[id] for id in _NAMES if names.get(id)]

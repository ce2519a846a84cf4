"""winmail.dat: Outlook's own wrapping of attachments (MS-OXTNEF). Only what holds file octets is read."""

from __future__ import annotations

from collections.abc import Iterator

from services.antivirus.domain.budget import Budget
from services.antivirus.domain.content import Content, Role
from services.antivirus.domain.sightings import Kind, Sighting, sighting

# MS-OXTNEF 2.1.3.3: level (1 octet), id (4), length (4), octets, checksum (2); all little-endian.
_HEADER = 9
_RENDER_DATA = 0x00069002  # starts an attachment
_TITLE = 0x00018010
_DATA = 0x0006800F
_MAPI_OF_ATTACHMENT = 0x00069005  # embedded messages and OLE objects are in here
_MAPI_OF_MESSAGE = 0x00069003  # the body is in here


def open_tnef(content: Content, budget: Budget) -> Iterator[Content | Sighting]:
    """Each attachment under its title; MAPI properties as one content each, so that what is in them is searched."""
    octets, position = content.octets, 6
    data: bytes = b""
    title = ""
    while position + _HEADER <= len(octets):
        budget.entry()
        attribute = int.from_bytes(octets[position + 1 : position + 5], "little")
        size = int.from_bytes(octets[position + 5 : position + 9], "little")
        position += _HEADER
        value = octets[position : position + size]
        if len(value) < size:
            yield sighting(Kind.UNREADABLE_ARCHIVE, "cut off:", content.name or "winmail.dat")
        position += size + 2
        budget.grown(len(value), total=0, packed=0)
        match attribute:
            case 0x00069002 if data:
                yield Content(data, title, role=Role.ATTACHMENT)
                data, title = b"", ""
            case 0x00018010:
                title = value.rstrip(b"\0").decode("cp1252", "replace")
            case 0x0006800F:
                data = value
            case 0x00069005 | 0x00069003:
                yield Content(value, title)
    if data:
        yield Content(data, title, role=Role.ATTACHMENT)

"""winmail.dat: Outlook's own wrapping of attachments (MS-OXTNEF). Only what holds file octets is read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import IntEnum

from services.antivirus.domain.budget import Budget
from services.antivirus.domain.content import Content, Role
from services.antivirus.domain.sightings import Kind, Sighting, sighting

# MS-OXTNEF 2.1.3.3: level (1 octet), id (4), length (4), octets, checksum (2); all little-endian.
_HEADER = 9


class _Id(IntEnum):
    RENDER_DATA = 0x00069002  # starts an attachment
    TITLE = 0x00018010
    DATA = 0x0006800F
    ATTACHMENT_PROPERTIES = 0x00069005  # embedded messages and OLE objects are in here
    MESSAGE_PROPERTIES = 0x00069003  # the body is in here


def open_tnef(content: Content, budget: Budget) -> Iterator[Content | Sighting]:
    """Each attachment under its title; MAPI properties as one content each, so that what is in them is searched."""
    octets, position = content.octets, 6
    files: list[bytes] = []  # of one attachment; more than one is malformed, and none of them is left out
    title = ""  # stands behind its file in most
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
            case _Id.RENDER_DATA:
                yield from _attachments(files, title)
                files, title = [], ""
            case _Id.TITLE:
                title = value.rstrip(b"\0").decode("cp1252", "replace")
            case _Id.DATA:
                files.append(value)
            case _Id.ATTACHMENT_PROPERTIES | _Id.MESSAGE_PROPERTIES:
                yield Content(value, title)
    yield from _attachments(files, title)


def _attachments(files: Iterable[bytes], title: str) -> Iterator[Content]:
    return (Content(octets, title, role=Role.ATTACHMENT) for octets in files)

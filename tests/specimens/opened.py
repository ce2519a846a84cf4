"""What an opener of the antivirus finds in octets, for the unit tests of the openers."""

from __future__ import annotations

from services.antivirus.domain.budget import ArchiveLimits, ScanBudget
from services.antivirus.domain.containers import OPENERS
from services.antivirus.domain.content import ScanContent
from services.antivirus.domain.detections import Detection, DetectionKind
from services.antivirus.domain.file_formats import FileFormat

INNER = b"the octets of a file that is packed into another one, more than once " * 3


def opened(octets: bytes, form: FileFormat, limits: ArchiveLimits | None = None) -> list[ScanContent | Detection]:
    """Open `octets` as `form`, which is also the format that they are recognised as."""
    content = ScanContent(octets)
    assert form in content.forms
    return list(OPENERS[form](content, ScanBudget(limits or ArchiveLimits())))


def contents_of(octets: bytes, form: FileFormat) -> list[bytes]:
    """The contents without the detections."""
    return [found.octets for found in opened(octets, form) if isinstance(found, ScanContent)]


def kinds_of(octets: bytes, form: FileFormat) -> set[DetectionKind]:
    """The kinds of the detections."""
    return {found.kind for found in opened(octets, form) if isinstance(found, Detection)}

"""The built-in engine: inspects a content and everything in it, and reports detections."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from hashlib import sha256

from services.antivirus.domain.budget import ArchiveLimits, ScanBudget
from services.antivirus.domain.closed_archives import closed_archive_detection
from services.antivirus.domain.content import Role, ScanContent
from services.antivirus.domain.detections import Detection, DetectionKind
from services.antivirus.domain.file_formats import FileFormat, is_executable
from services.antivirus.domain.names import name_detection
from services.antivirus.domain.office import part_detections
from services.antivirus.domain.signatures import virus_in
from services.antivirus.domain.walk import Found, walk

MAX_SIGHTINGS = 50


@dataclass(frozen=True, slots=True)
class InspectedAttachment:
    """A part of the message that is counted: its SHA-256 and how many octets it has."""

    digest: bytes
    size_bytes: int


@dataclass(slots=True)
class Inspection:
    """The detections, and the digests of attachments and of everything inside them for the fingerprint database."""

    detections: dict[Detection, None] = field(default_factory=dict)
    attachments: list[InspectedAttachment] = field(default_factory=list)
    digests: set[bytes] = field(default_factory=set)

    def saw(self, seen: Detection) -> None:
        """A virus is always noted; of the rest, enough to read and one of each kind to decide by."""
        if (
            len(self.detections) < MAX_SIGHTINGS
            or seen.kind is DetectionKind.VIRUS
            or all(before.kind is not seen.kind for before in self.detections)
        ):
            self.detections[seen] = None


def inspect(content: ScanContent, limits: ArchiveLimits, *, clock: Callable[[], float] = time.monotonic) -> Inspection:
    """Inspect everything in `content`."""
    return inspection_of(walk(content, ScanBudget(limits, clock)))


def inspection_of(found: Iterable[Found]) -> Inspection:
    """Inspect the results of a walk."""
    seen = Inspection()
    for one in found:
        if isinstance(one, Detection):
            seen.saw(one)
        else:
            _look(one, seen)
    return seen


def _look(content: ScanContent, seen: Inspection) -> None:
    """At the octets and at the name."""
    octets = content.octets
    if virus := virus_in(octets):
        seen.saw(Detection(DetectionKind.VIRUS, virus))
    if content.role is not Role.BODY and octets and content.message is None:
        _fingerprint(content, seen)
    executable = is_executable(octets)
    if (content.name or executable) and (
        wrong := name_detection(content.name, content.declared_type, executable=executable)
    ):
        seen.saw(wrong)
    if content.role is Role.MEMBER and content.form is FileFormat.OTHER and content.name:
        for found in part_detections(content.name, octets):
            seen.saw(found)
    if content.form is FileFormat.CLOSED_ARCHIVE:
        seen.saw(closed_archive_detection(octets, content.name or "attachment"))


def _fingerprint(content: ScanContent, seen: Inspection) -> None:
    digest = sha256(content.octets).digest()
    seen.digests.add(digest)
    if content.role is Role.ATTACHMENT:
        seen.attachments.append(InspectedAttachment(digest, len(content.octets)))

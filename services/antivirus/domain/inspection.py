"""The built-in engine's eye: looks at a content and at all that is in it, and says what it saw."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256

from services.antivirus.domain.budget import Budget, Exceeded, Limits
from services.antivirus.domain.containers import OPENERS
from services.antivirus.domain.content import Content, Role
from services.antivirus.domain.forms import CONTAINERS, Form, is_executable
from services.antivirus.domain.names import name_sighting
from services.antivirus.domain.office import ole_has_macros, ole_is_encrypted
from services.antivirus.domain.sightings import Kind, Sighting, sighting
from services.antivirus.domain.signatures import virus_in

MAX_SIGHTINGS = 50


class Heavy(Exception):
    """There is something to unpack, which is no work for the event loop."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A part of the message that is counted: its SHA-256 and how many octets it has."""

    digest: bytes
    size_bytes: int


@dataclass(slots=True)
class Inspection:
    """What was seen. `digests` are those of attachments and of everything inside them, for the fingerprints."""

    sightings: dict[Sighting, None] = field(default_factory=dict)
    attachments: list[Attachment] = field(default_factory=list)
    digests: set[bytes] = field(default_factory=set)

    def saw(self, seen: Sighting) -> None:
        """A virus is always noted; of the rest, enough to decide by and to read."""
        if len(self.sightings) < MAX_SIGHTINGS or seen.kind is Kind.VIRUS:
            self.sightings[seen] = None


def inspect(
    content: Content, limits: Limits, *, light_only: bool = False, clock: Callable[[], float] = time.monotonic
) -> Inspection:
    """Everything in `content`. With `light_only`, raises `Heavy` where anything but a message has to be unpacked."""
    eye = _Eye(Budget(limits, clock), light_only)
    eye.look(content, 0)
    return eye.seen


class _Eye:
    def __init__(self, budget: Budget, light_only: bool) -> None:
        self.seen = Inspection()
        self._budget = budget
        self._light_only = light_only

    def look(self, content: Content, depth: int) -> None:
        """At the octets, at the name, then inside. `depth` counts what had to be opened so far, the message apart."""
        octets = content.octets
        if virus := virus_in(octets):
            self.seen.saw(Sighting(Kind.VIRUS, virus))
        if content.role is not Role.BODY and octets and content.message is None:
            self._fingerprint(content)
        executable = is_executable(octets)
        if (content.name or executable) and (
            wrong := name_sighting(content.name, content.declared_type, executable=executable)
        ):
            self.seen.saw(wrong)
        if content.form in CONTAINERS:
            self._open(content, depth + (content.message is None))
        elif content.form is not Form.OTHER:
            self._closed(content)

    def _fingerprint(self, content: Content) -> None:
        digest = sha256(content.octets).digest()
        self.seen.digests.add(digest)
        if content.role is Role.ATTACHMENT:
            self.seen.attachments.append(Attachment(digest, len(content.octets)))

    def _open(self, content: Content, depth: int) -> None:
        if self._light_only and content.message is None:
            raise Heavy
        try:
            self._budget.enter(depth)
            for found in OPENERS[content.form](content, self._budget):
                if isinstance(found, Sighting):
                    self.seen.saw(found)
                else:
                    self.look(found, depth)
        except Exceeded as limit:
            self.seen.saw(sighting(Kind.ARCHIVE_LIMIT, str(limit)))

    def _closed(self, content: Content) -> None:
        name = content.name or "attachment"
        if content.form is Form.CLOSED_ARCHIVE:
            self.seen.saw(sighting(Kind.UNREADABLE_ARCHIVE, "of a format that only other engines open:", name))
        if content.form is Form.OLE and ole_has_macros(content.octets):
            self.seen.saw(sighting(Kind.MACRO, name))
        if content.form is Form.OLE and ole_is_encrypted(content.octets):
            self.seen.saw(sighting(Kind.ENCRYPTED, name))

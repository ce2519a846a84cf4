"""Ports: engines, and storage for fingerprints and statistics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from libs.mail.message import Message
from services.antivirus.domain.budget import ArchiveLimits, ScanBudget
from services.antivirus.domain.containers.mail import pieces
from services.antivirus.domain.content import ScanContent
from services.antivirus.domain.detections import Detection
from services.antivirus.domain.fingerprints import Fingerprint
from services.antivirus.domain.walk import Found, light


@dataclass(slots=True)
class ScanItem:
    """An item to scan: the octets, and the parsed message where they are one."""

    octets: bytes
    message: Message | None = None
    _light: tuple[Sequence[Found] | None] | None = field(default=None, init=False, repr=False)

    @property
    def content(self) -> ScanContent:
        """The content, for a walk from outside to inside."""
        return ScanContent(self.octets, message=self.message)

    def pieces(self, limits: ArchiveLimits) -> Sequence[bytes]:
        """Return the parts that different readers find, for engines with a parser of their own. CPU-heavy.

        Raises `Exceeded`.
        """
        return () if self.message is None else tuple(set(pieces(self.message, ScanBudget(limits))))

    def light(self, limits: ArchiveLimits) -> Sequence[Found] | None:
        """All that is in it, None if something has to be unpacked. Looked for once for all engines of a process."""
        if self._light is None:
            self._light = (light(self.content, limits),)
        return self._light[0]


@dataclass(frozen=True, slots=True)
class Signatures:
    """What an engine knows viruses by. `released_at` is None where it does not say.

    `daily`: new ones come every day, so that old ones are stale. `trouble` says why newer ones are not in use.
    """

    version: str
    released_at: datetime | None
    daily: bool = True
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class AttachmentCount:
    """How often an attachment passed by; times are UTC."""

    sha256: str
    seen: int
    size_bytes: int
    first_seen: datetime
    last_seen: datetime


@dataclass(frozen=True, slots=True)
class DayCount:
    """How often something happened on a day (ISO date, UTC).

    `what` is `message` (`name`: quarantine, tag or pass), `virus` (its name) or `finding` (its kind).
    """

    day: str
    what: str
    name: str
    times: int


class Engine(Protocol):
    """A scanner. Both calls raise `Temporary` when it does not answer, or not in a way that can be trusted."""

    @property
    def name(self) -> str:
        """Short and stable: it is a label of metrics and stands in findings."""

    @property
    def in_process(self) -> bool:
        """It works in this process, so that nothing is won by asking it while others are waited for."""

    async def scan(self, item: ScanItem) -> Sequence[Detection]:
        """Return the detections in the whole item."""

    async def probe(self) -> Signatures:
        """Proves that it can scan now."""

    async def close(self) -> None:
        """Give back its connections or threads."""


class Fingerprints(Protocol):
    """The database of known attachments. Raises `Temporary`."""

    async def known(self, digests: Sequence[bytes]) -> Sequence[Fingerprint]:
        """Return the known ones of `digests`."""


class StatisticsStore(Protocol):
    """Where statistics go, now and then, many at once. Raises `Temporary`."""

    async def add_attachments(self, seen: Mapping[bytes, tuple[int, int]], now: datetime) -> None:
        """Digest to (times, size in octets)."""

    async def add_events(self, counts: Mapping[tuple[str, str], int], now: datetime) -> None:
        """Add counts by (what, name)."""

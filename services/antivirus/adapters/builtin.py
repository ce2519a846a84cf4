"""The built-in engine: needs nothing but itself and the fingerprint database."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from libs.envelope import Temporary
from services.antivirus.adapters.threads import ScanThreads
from services.antivirus.domain.budget import ArchiveLimits
from services.antivirus.domain.detections import Detection, DetectionKind, detection
from services.antivirus.domain.fingerprints import Fingerprint, FingerprintVerdict
from services.antivirus.domain.inspection import Inspection, inspect, inspection_of
from services.antivirus.ports import Fingerprints, ScanItem, Signatures
from services.antivirus.statistics import ScanStatistics

VERSION = "builtin-2"


class BuiltinEngine:
    """Scans small mail without archives on the event loop, and everything else in one of a few threads.

    `ArchiveLimits.seconds` bounds the work of a thread, so that a bomb never blocks one for good. With
    `others_open_archives` another engine judges the formats that this engine cannot open, and they are no detection.
    """

    def __init__(
        self,
        name: str,
        known: Fingerprints,
        statistics: ScanStatistics,
        *,
        limits: ArchiveLimits,
        threads: int,
        loop_limit_bytes: int,
        deadline: timedelta,
        others_open_archives: bool = False,
    ) -> None:
        self.name = name
        self.in_process = True
        self._known = known
        self._statistics = statistics
        self._limits = limits
        self._loop_limit = loop_limit_bytes
        self._deadline = deadline.total_seconds()
        self._threads = ScanThreads(name, threads, deadline)
        self._others_open_archives = others_open_archives

    async def scan(self, item: ScanItem) -> Sequence[Detection]:
        """Return the detections in the octets and the fingerprints of the attachments."""
        seen = await self._inspect(item)
        known = await self._known_of(seen) if seen.digests else ()
        self._statistics.saw(seen.attachments)
        return [*filter(self._is_ours, seen.detections), *map(_of_fingerprint, known)]

    async def probe(self) -> Signatures:
        """Its signatures are part of the program and of the database; neither has a date of release."""
        return Signatures(VERSION, None)

    async def close(self) -> None:
        self._threads.close()

    async def _inspect(self, item: ScanItem) -> Inspection:
        if len(item.octets) <= self._loop_limit and (found := item.light(self._limits)) is not None:
            return inspection_of(found)
        return await self._threads.run(lambda: inspect(item.content, self._limits))

    async def _known_of(self, seen: Inspection) -> Sequence[Fingerprint]:
        try:
            async with asyncio.timeout(self._deadline):
                return await self._known.known(list(seen.digests))
        except TimeoutError as error:
            raise Temporary(f"{self.name}: no fingerprints within {self._deadline:g} seconds") from error

    def _is_ours(self, seen: Detection) -> bool:
        return seen.kind is not DetectionKind.CLOSED_ARCHIVE or not self._others_open_archives


def _of_fingerprint(known: Fingerprint) -> Detection:
    name = known.name or f"Fingerprint.{known.digest.hex()[:16]}"
    return detection(
        DetectionKind.VIRUS if known.verdict is FingerprintVerdict.BAD else DetectionKind.SPAM_FINGERPRINT, name
    )

"""ClamAV's daemon, by its own protocol (clamd(8)) over TCP or a Unix socket.

What clamd.conf has to say, since its limits let mail through by default:

    AlertExceedsMax yes        a message that is over a limit is a finding and not "OK"
    StreamMaxLength 64M        more than the largest message
    MaxFileSize 100M           not less than `archive_expanded_limit_bytes`: clamd 1.4 cuts off the rest of a larger
    MaxScanSize 400M           zip entry and says OK all the same, so only the built-in engine tells that it is a bomb
    MaxScanTime 30000          less than our `engine_deadline`, so that a slow message is a finding too
    MaxThreads 12              more than our `clamav_connections`, so that a probe always finds a free one

It reloads signatures beside its work (`ConcurrentDatabaseReload yes`, the default), with twice the memory for a moment.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from libs.envelope import Temporary
from services.antivirus.adapters.clamd_sessions import ClamdSessions
from services.antivirus.domain.budget import ArchiveLimits, LimitExceeded
from services.antivirus.domain.detections import Detection, DetectionKind, detection
from services.antivirus.domain.engine_address import EngineAddress
from services.antivirus.ports import ScanItem, Signatures

# The names that are no viruses, by how they start; policy is asked about them.
_KINDS = (
    ("Heuristics.Limits.Exceeded", DetectionKind.UNSCANNABLE),
    ("Heuristics.Encrypted", DetectionKind.ENCRYPTED),
    ("Heuristics.OLE2.ContainsMacros", DetectionKind.MACRO),
    ("Heuristics.Phishing", DetectionKind.SUSPICIOUS),
    ("Heuristics.Broken", DetectionKind.SUSPICIOUS),
    ("Heuristics.Structured", DetectionKind.SUSPICIOUS),
    ("PUA.", DetectionKind.SUSPICIOUS),
)
_TOO_LARGE = "INSTREAM size limit exceeded"
_VERSION = re.compile(r"ClamAV [^/]+/(\d+)/(.+)")
_DATE = "%a %b %d %H:%M:%S %Y"
_MAX_PIECES = 100
_HARMLESS = b"Facteur asks whether the scanner scans."


class ClamdEngine:
    """One clamd, with a bounded number of scans at a time."""

    def __init__(
        self,
        name: str,
        address: EngineAddress,
        *,
        connections: int,
        deadline: timedelta,
        probe_deadline: timedelta,
        limits: ArchiveLimits = ArchiveLimits(),  # noqa: B008 (frozen)
        loop_limit_bytes: int = 64 * 1024,
    ) -> None:
        self.name = name
        self.in_process = False
        self._scans = ClamdSessions(address, limit=connections)
        self._probes = ClamdSessions(address, limit=1)  # a busy clamd is not one that is down
        self._limits = limits
        self._loop_limit = loop_limit_bytes
        self._deadline = deadline
        self._probe_deadline = probe_deadline

    async def scan(self, item: ScanItem) -> Sequence[Detection]:
        """Raises `Temporary` for every answer that is not a clear one.

        Where mail readers may parse the message in several ways, clamd also gets the parts that other readers find.
        """
        seen = dict.fromkeys(await self._scan(item.octets))
        try:
            pieces = await self._pieces(item)
        except LimitExceeded as limit:
            return [*seen, detection(DetectionKind.UNSCANNABLE, str(limit))]
        for octets in pieces[:_MAX_PIECES]:
            seen |= dict.fromkeys(await self._scan(octets))
        if len(pieces) > _MAX_PIECES:
            seen[detection(DetectionKind.UNSCANNABLE, f"readers find more than {_MAX_PIECES} things in it")] = None
        return list(seen)

    async def _pieces(self, item: ScanItem) -> Sequence[bytes]:
        """Nothing of mail that all readers take alike, which is told at once of small mail without archives."""
        if len(item.octets) <= self._loop_limit and item.light(self._limits) is not None:
            return ()
        return await asyncio.to_thread(item.pieces, self._limits)

    async def _scan(self, octets: bytes) -> Sequence[Detection]:
        return self._read(await self._ask(self._scans, b"zINSTREAM\0", octets, self._deadline))

    async def probe(self) -> Signatures:
        """Its version, and a scan: a clamd whose scanners hang still tells its version."""
        version = await self._ask(self._probes, b"zVERSION\0", None, self._probe_deadline)
        self._read(await self._ask(self._probes, b"zINSTREAM\0", _HARMLESS, self._probe_deadline))
        return signatures_of(version)

    async def close(self) -> None:
        self._scans.close()
        self._probes.close()

    async def _ask(self, sessions: ClamdSessions, command: bytes, stream: bytes | None, deadline: timedelta) -> str:
        try:
            return (await sessions.ask(command, stream, deadline=deadline)).decode("utf-8", "replace")
        except TimeoutError as error:
            raise Temporary(f"{self.name}: no answer within {deadline.total_seconds():g} seconds") from error
        except OSError as error:
            raise Temporary(f"{self.name}: {error.strerror or error}") from error

    def _read(self, answer: str) -> Sequence[Detection]:
        text = answer.removeprefix("stream: ")
        if text == "OK":
            return ()
        if text.endswith(" FOUND"):
            return (_detection_of(text.removesuffix(" FOUND")),)
        if text.startswith(_TOO_LARGE):
            return (detection(DetectionKind.UNSCANNABLE, "larger than StreamMaxLength"),)
        raise Temporary(f"{self.name}: {text[:200]!r}")


def signatures_of(version: str) -> Signatures:
    """`ClamAV 1.4.6/27500/Mon Dec  2 09:33:31 2024`; only the program where there are no official signatures."""
    match = _VERSION.fullmatch(version)
    if match is None:
        return Signatures(version, None)
    try:
        return Signatures(match[1], datetime.strptime(match[2], _DATE).replace(tzinfo=UTC))
    except ValueError:
        return Signatures(match[1], None)


def _detection_of(name: str) -> Detection:
    kind = next((kind for start, kind in _KINDS if name.startswith(start)), DetectionKind.VIRUS)
    return detection(kind, name)

"""The content of a message as it arrives: kept, counted, hashed and checked in one pass.

RFC 5321 2.3.8: only CR LF ends a line. A bare CR or LF serves to smuggle one message inside another.
RFC 5321 4.5.3.1.6: a line has at most 1000 octets with its CR LF; how much more is accepted is a setting.
"""

from __future__ import annotations

from enum import StrEnum
from hashlib import sha256
from io import BytesIO


class ContentFault(StrEnum):
    """Why content is refused; the first fault counts."""

    TOO_LARGE = "too_large"
    BARE_LINE_END = "bare_line_end"
    NUL = "nul"
    LINE_TOO_LONG = "line_too_long"
    NO_ROOM = "no_memory"


class IncomingContent:
    """A message as it grows. After a fault nothing of it is kept."""

    __slots__ = ("_held", "_kept", "_line", "_max_bytes", "_max_line", "_sha256", "_whole", "fault", "size_bytes")

    def __init__(self, *, max_bytes: int, max_line: int) -> None:
        self.size_bytes = 0
        self.fault: ContentFault | None = None
        self._max_bytes = max_bytes
        self._max_line = max_line
        self._held = b""  # a CR at the end of a part: the next part says whether it is bare
        self._line = 0  # octets of the line that is not ended yet
        self._sha256 = sha256()
        self._kept: BytesIO | None = None
        self._whole = b""  # a message that came in one piece is never copied

    def append(self, part: bytes) -> None:
        """Add the next octets, after dot-unstuffing."""
        if self._held:
            part, self._held = self._held + part, b""
        if part.endswith(b"\r"):
            part, self._held = part[:-1], b"\r"
        self.size_bytes += len(part)
        if self.fault is None:
            self._inspect(part)
            if self.fault is None:
                self._keep(part)

    def reject(self, fault: ContentFault) -> None:
        """Free what was kept, and keep nothing more."""
        self.fault = self.fault or fault
        self._kept, self._whole = None, b""

    def finish(self) -> bytes:
        """Return the whole message, empty after a fault."""
        if self._held:
            self.reject(ContentFault.BARE_LINE_END)
        return self._whole if self._kept is None else self._kept.getvalue()

    @property
    def sha256(self) -> str:
        return self._sha256.hexdigest()

    def _inspect(self, part: bytes) -> None:
        ends = part.count(b"\r\n")
        if self.size_bytes > self._max_bytes:
            self.reject(ContentFault.TOO_LARGE)
        elif part.count(b"\n") != ends or part.count(b"\r") != ends:
            self.reject(ContentFault.BARE_LINE_END)
        elif b"\0" in part:
            self.reject(ContentFault.NUL)
        elif not self._lines_fit(part):
            self.reject(ContentFault.LINE_TOO_LONG)

    def _lines_fit(self, part: bytes) -> bool:
        """Check the length of lines, jumping to the last line end within the limit: one search for many lines."""
        start, limit, size = -self._line, self._max_line, len(part)
        while size - start > limit:
            end = part.rfind(b"\r\n", max(start, 0), start + limit + 2)
            if end < 0:
                # The CR of the last line may be held back, and then the line fits by one octet.
                return False
            start = end + 2
        last = part.rfind(b"\n", max(start, 0))
        self._line = size - (last + 1 if last >= 0 else start)
        return True

    def _keep(self, part: bytes) -> None:
        self._sha256.update(part)
        if self._kept is not None:
            self._kept.write(part)
        elif self._whole:
            self._kept = BytesIO()
            self._kept.write(self._whole)
            self._kept.write(part)
            self._whole = b""
        else:
            self._whole = part

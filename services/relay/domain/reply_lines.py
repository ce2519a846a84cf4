"""Replies of other servers as they come over the wire (RFC 5321 4.2): bounded, decoded here and nowhere else.

A code counts more than its text. A reply of any length in any charset has one, and after the final dot it says whether
the message was taken: what cannot be read of the text must never be a reason to send the message again.
"""

from __future__ import annotations

from dataclasses import dataclass

KEPT_LINE_OCTETS = 512  # RFC 5321 4.5.3.1.5
KEPT_LINES = 100
MAX_REPLY_OCTETS = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Reply:
    """`code` is 0 where the peer did not speak SMTP. `is_whole` is False where the reply was cut: by its length, by
    the end of the connection or by the time."""

    code: int
    lines: tuple[str, ...]
    is_whole: bool = True

    @property
    def text(self) -> str:
        """All lines in one, without control characters."""
        return " ".join(" ".join(self.lines).split())

    @property
    def is_positive(self) -> bool:
        return self.code // 100 == 2


class ReplyReader:
    """Octets in, replies out. It keeps a bounded part of them, whatever comes."""

    def __init__(self) -> None:
        self._line = bytearray()
        self._lines: list[str] = []
        self._octets = 0

    @property
    def is_empty(self) -> bool:
        """Nothing of a next reply has come."""
        return not self._octets

    def feed(self, octets: bytes) -> list[Reply]:
        """The replies that are complete with `octets`."""
        replies: list[Reply] = []
        start = 0
        while start < len(octets):
            end = octets.find(b"\n", start)
            piece = octets[start : len(octets) if end < 0 else end + 1]
            start += len(piece)
            self._octets += len(piece)
            self._line += piece[: KEPT_LINE_OCTETS - len(self._line)]
            reply = self._end_line() if end >= 0 else None
            if reply is None and self._octets > MAX_REPLY_OCTETS:
                reply = self.cut()
            if reply is not None:
                replies.append(reply)
        return replies

    def cut(self) -> Reply | None:
        """What came of a reply that does not end; None when nothing came."""
        if self.is_empty:
            return None
        code = _code(bytes(self._line)) or (int(self._lines[0][:3]) if self._lines else 0)
        if self._line:
            self._keep(bytes(self._line))
        return self._taken(code, is_whole=False)

    def _end_line(self) -> Reply | None:
        line = bytes(self._line).rstrip(b"\r\n")
        self._line.clear()
        code = _code(line)
        self._keep(line)
        if code and line[3:4] == b"-":
            return None
        return self._taken(code, is_whole=code > 0)

    def _keep(self, line: bytes) -> None:
        if len(self._lines) < KEPT_LINES:
            self._lines.append(_decoded(line))

    def _taken(self, code: int, *, is_whole: bool) -> Reply:
        texts = tuple(line[4:] if code else line for line in self._lines)
        self._lines, self._octets = [], 0
        self._line.clear()
        return Reply(code, texts, is_whole)


def _code(line: bytes) -> int:
    digits, mark = line[:3], line[3:4]
    if len(digits) == 3 and digits.isdigit() and mark in (b"", b" ", b"-", b"\r", b"\n") and digits[0] in b"2345":
        return int(digits)
    return 0


def _decoded(line: bytes) -> str:
    """RFC 6531 3.7.4.2 allows UTF-8; whatever else comes shows replacement characters, and never a surrogate."""
    text = line.decode("utf-8", "replace")
    return text if text.isprintable() else "".join(character if character.isprintable() else " " for character in text)

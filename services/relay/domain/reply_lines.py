"""Reads the replies of other servers (RFC 5321 4.2): bounded in size, and decoded in this module alone.

The code counts more than the text. A reply of any length in any charset has a code, which after the final dot says
whether the message was accepted: unreadable text must never be a reason to send the message again.
"""

from __future__ import annotations

from dataclasses import dataclass

KEPT_LINE_OCTETS = 512  # RFC 5321 4.5.3.1.5
KEPT_LINES = 100
MAX_REPLY_OCTETS = 1024 * 1024


@dataclass(frozen=True, slots=True)
class RemoteReply:
    """A reply. `code` is 0 where the peer does not speak SMTP. `is_whole` is False where the reply was cut by its
    length, the end of the connection or the time limit."""

    code: int
    lines: tuple[str, ...]
    is_whole: bool = True

    @property
    def text(self) -> str:
        """All lines joined into one, without control characters."""
        return " ".join(" ".join(self.lines).split())

    @property
    def is_positive(self) -> bool:
        return self.code // 100 == 2


class ReplyReader:
    """Turns octets into replies, and keeps a bounded part of each."""

    def __init__(self) -> None:
        self._line = bytearray()
        self._lines: list[str] = []
        self._octets = 0

    @property
    def is_empty(self) -> bool:
        """Whether no octet of the next reply has arrived."""
        return not self._octets

    def feed(self, octets: bytes) -> list[RemoteReply]:
        """Return the replies that `octets` complete."""
        replies: list[RemoteReply] = []
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

    def cut(self) -> RemoteReply | None:
        """End an unfinished reply; None when no octet of it has arrived."""
        if self.is_empty:
            return None
        code = _code(bytes(self._line)) or (int(self._lines[0][:3]) if self._lines else 0)
        if self._line:
            self._keep(bytes(self._line))
        return self._finish(code, is_whole=False)

    def _end_line(self) -> RemoteReply | None:
        line = bytes(self._line).rstrip(b"\r\n")
        self._line.clear()
        code = _code(line)
        self._keep(line)
        if code and line[3:4] == b"-":
            return None
        return self._finish(code, is_whole=code > 0)

    def _keep(self, line: bytes) -> None:
        if len(self._lines) < KEPT_LINES:
            self._lines.append(_decoded(line))

    def _finish(self, code: int, *, is_whole: bool) -> RemoteReply:
        texts = tuple(line[4:] if code else line for line in self._lines)
        self._lines, self._octets = [], 0
        self._line.clear()
        return RemoteReply(code, texts, is_whole)


def _code(line: bytes) -> int:
    digits, mark = line[:3], line[3:4]
    if len(digits) == 3 and digits.isdigit() and mark in (b"", b" ", b"-", b"\r", b"\n") and digits[0] in b"2345":
        return int(digits)
    return 0


def _decoded(line: bytes) -> str:
    """The text in UTF-8 (RFC 6531 3.7.4.2); other octets become replacement characters, and never surrogates."""
    text = line.decode("utf-8", "replace")
    return text if text.isprintable() else "".join(character if character.isprintable() else " " for character in text)

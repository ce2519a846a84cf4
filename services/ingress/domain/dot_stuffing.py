"""The octets after DATA: finds their end, and removes dot-stuffing (RFC 5321 4.1.1.4, RFC 5321 4.5.2).

Only CR LF . CR LF ends them. Sequences such as LF . LF, LF . CR LF and CR . CR are text; the message is refused for its
bare CR or LF once its true end has arrived.
"""

from __future__ import annotations

from services.ingress.domain.content import IncomingContent

_END = b"\r\n.\r\n"
_BEGINNINGS = tuple(_END[:length] for length in range(len(_END) - 1, 0, -1))


class DotUnstuffer:
    """Passes the octets before the end on to `content`."""

    __slots__ = ("_content", "_skip", "_tail")

    def __init__(self, content: IncomingContent) -> None:
        self._content = content
        # The line end of the DATA command counts as the first half of the end: an empty message is a lone dot.
        self._tail = b"\r\n"
        self._skip = 2

    def feed(self, chunk: bytes) -> bytes | None:
        """Return None until the end has arrived; then the octets behind it, mostly none."""
        chunk = self._tail + chunk
        end = chunk.find(_END)
        if end >= 0:
            self._pass_on(chunk[: end + 2])
            return chunk[end + len(_END) :]
        cut = _cut(chunk)
        self._tail = chunk[cut:]
        self._pass_on(chunk[:cut])
        return None

    def _pass_on(self, part: bytes) -> None:
        if b"\r\n." in part:
            part = part.replace(b"\r\n.", b"\r\n")
        if part:
            self._content.append(part[self._skip :] if self._skip else part)
            self._skip = 0


def _cut(chunk: bytes) -> int:
    """Return where the octets begin that may be part of the end, or of a stuffed dot, and must wait for more."""
    for beginning in _BEGINNINGS:
        if chunk.endswith(beginning):
            return len(chunk) - len(beginning)
    return len(chunk)

"""A whole message (RFC 5322, MIME): `parse` reads nothing, the header block is read when asked, the body later."""

from collections.abc import Iterator

from libs.mail.defects import Defect, in_order
from libs.mail.headers import Headers
from libs.mail.limits import DEFAULT_LIMITS, MessageLimits
from libs.mail.part import Part
from libs.mail.walk import walk

__all__ = ["Defect", "Headers", "Message", "MessageLimits", "Part", "parse"]

# RFC 2046 5.1: a part needs no fields, so their absence is a defect of the message's own block only.
_OF_THE_TOP_ONLY = frozenset({Defect.NO_HEADERS, Defect.NO_BLANK_LINE})


def parse(raw: bytes, limits: MessageLimits = DEFAULT_LIMITS) -> "Message":
    """The message in these octets, with CRLF or LF. Never raises; nothing is read yet."""
    return Message(raw, limits)


class Message:
    """A message: its raw octets, and its tree of parts, which is parsed once and kept as offsets."""

    def __init__(self, raw: bytes, limits: MessageLimits = DEFAULT_LIMITS, *, default_type: str = "text/plain") -> None:
        self.raw = raw
        self.root = Part(raw, 0, len(raw), limits=limits, default_type=default_type)
        self.damage: set[Defect] = set()  # of the whole, beside that of its parts
        self._limits = limits
        self._found: tuple[Part, ...] | None = None

    @property
    def headers(self) -> Headers:
        return self.root.headers

    @property
    def subject(self) -> str:
        """Decoded and printable; empty if there is none."""
        return self.headers.decoded("Subject")

    @property
    def sender(self) -> str:
        """The From field decoded and printable, for showing. For checking take `headers.addresses("From")`."""
        return self.headers.decoded("From")

    def parts(self) -> Iterator[Part]:
        """All nodes, the root first, containers (multipart, embedded messages) before their contents."""
        return iter(self._parts)

    def leaves(self) -> Iterator[Part]:
        """The nodes that hold content: texts, attachments, and containers that could not be opened."""
        return (part for part in self._parts if part.is_leaf)

    @property
    def defects(self) -> tuple[Defect, ...]:
        """The defects of the header block, the structure and every part; of encodings, those decoded so far."""
        found = {defect for part in self._parts for defect in part.defects if defect not in _OF_THE_TOP_ONLY}
        return in_order(found.union(self.damage, self.headers.defects))

    @property
    def _parts(self) -> tuple[Part, ...]:
        if self._found is None:
            self._found = tuple(walk(self.root, self._limits, self.damage))
        return self._found

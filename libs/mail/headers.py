"""The header block of a message or a part (RFC 5322 2.2): an index of fields over the raw octets, read when asked.

Nothing is copied but what is asked for, and nothing raises: damage is told by `defects`. Text is always free of CR, LF,
NUL and surrogates, whatever stood there.
"""

import re
from collections.abc import Iterator

from libs.mail import charset
from libs.mail.address_list import parse_addresses
from libs.mail.defects import Defect, in_order
from libs.mail.encoded_words import decode_words
from libs.mail.folding import fold, mailbox
from libs.mail.limits import DEFAULT_LIMITS, Limits

__all__ = ["Headers", "fold", "mailbox"]

# A name, a colon (RFC 5322 4.5 allows space before it), a value with its folded lines. Possessive, so linear.
_FIELD = re.compile(rb"([!-9;-~]++)[ \t]*+:[ \t]*+([^\n]*+(?:\n[ \t][^\n]*+)*+)(?:\n|\Z)")
_BLANK_LINE = re.compile(rb"\r?\n|\Z")
_NOT_TEXT = bytes.maketrans(b"\r\0", b"  ")

# RFC 5322 3.6, RFC 2045 3, RFC 2183 2: at most one of each. Readers disagree which of two counts.
_SINGLETONS = (
    *(b"date", b"from", b"sender", b"reply-to", b"to", b"cc", b"bcc", b"message-id", b"in-reply-to", b"references"),
    *(b"subject", b"mime-version", b"content-type", b"content-transfer-encoding", b"content-disposition"),
)


class Headers:
    """The fields that start at `start` of `raw`, up to the blank line or to the first line that is no field.

    `Headers(b"Subject: hello\\r\\n\\r\\nbody")`. Names are compared without case; values come unfolded, decoded from
    UTF-8 or, if they are none, from windows-1252, with RFC 2047 left as it is.
    """

    __slots__ = ("_body_start", "_end", "_fields", "_found", "_limits", "_names", "_raw", "_start")

    def __init__(self, raw: bytes, limits: Limits = DEFAULT_LIMITS, start: int = 0, end: int | None = None) -> None:
        self._raw = raw
        self._limits = limits
        self._start = start
        self._end = len(raw) if end is None else end
        self._fields: list[re.Match[bytes]] = []
        self._names: list[bytes] = []  # of the fields, in lower case: a list is quicker than a dict for one message
        self._found: set[Defect] = set()
        self._body_start = self._scan()

    def get(self, name: str) -> str | None:
        """The value of the first field of that name, None if there is none."""
        value = self._first(name)
        return None if value is None else _text(value)

    def decoded(self, name: str) -> str:
        """As `get`, with encoded-words decoded and control characters made spaces; empty if there is none."""
        value = self.get(name)
        return decode_words(value) if value else ""

    def all(self, name: str) -> list[str]:
        """The values of all fields of that name, from the top."""
        key = _key(name)
        if key not in self._names:
            return []
        return [_text(field[2]) for field, present in zip(self._fields, self._names, strict=True) if present == key]

    def count(self, name: str) -> int:
        return self._names.count(_key(name))

    def addresses(self, name: str) -> list[tuple[str, str]]:
        """(display name, address) of each mailbox in all fields of that name, bounded by `Limits.addresses`."""
        found: list[tuple[str, str]] = []
        for value in self.all(name):
            found += parse_addresses(value, self._limits.addresses - len(found))
        return found

    def octets(self, name: str) -> bytes | None:
        """The first value unfolded but undecoded, for what must be compared octet by octet (a MIME boundary)."""
        value = self._first(name)
        return None if value is None else _unfold(value)

    def raw_fields(self) -> list[tuple[bytes, bytes]]:
        """(name in lower case, the whole field as it stands) of each field, from the top, for signatures."""
        return [(name, field[0]) for name, field in zip(self._names, self._fields, strict=True)]

    def __iter__(self) -> Iterator[tuple[str, str]]:
        """(name as written, value) of each field, from the top."""
        return ((field[1].decode("ascii"), _text(field[2])) for field in self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def __contains__(self, name: str) -> bool:
        return _key(name) in self._names

    @property
    def raw(self) -> bytes:
        """The block as it stands, with the blank line if there is one."""
        return self._raw[self._start : self._body_start]

    @property
    def body_start(self) -> int:
        """Where in `raw` the body starts: behind the blank line."""
        return self._body_start

    @property
    def defects(self) -> tuple[Defect, ...]:
        """What is wrong with the block, in the order of the enumeration."""
        return in_order([*self._found, *self._damage()])

    def _first(self, name: str) -> bytes | None:
        key = _key(name)
        return self._fields[self._names.index(key)][2] if key in self._names else None

    def _scan(self) -> int:
        """Fills the index and returns where the body starts."""
        raw, end, position = self._raw, self._end, self._skip_mbox_line()
        ceiling, room = self._start + self._limits.header_bytes, self._limits.header_count
        fields, names, match_at = self._fields, self._names, _FIELD.match
        while match := match_at(raw, position, end):
            position = match.end()
            if position > ceiling or len(fields) == room:
                self._found.add(Defect.HEADERS_TOO_LARGE if position > ceiling else Defect.TOO_MANY_HEADERS)
                return self._behind_blank_line(position - 1)
            fields.append(match)
            names.append(match[1].lower())
        return self._body_at(position)

    def _skip_mbox_line(self) -> int:
        """A message taken out of an mbox file starts with "From sender date", which is no field (RFC 4155)."""
        if not self._raw.startswith((b"From ", b">From "), self._start, self._end):
            return self._start
        line_end = self._raw.find(b"\n", self._start, self._end) + 1
        if not line_end or _FIELD.match(self._raw, self._start, line_end):
            return self._start
        self._found.add(Defect.MBOX_LINE)
        return line_end

    def _body_at(self, position: int) -> int:
        """The body starts behind the blank line, or at the line that is no field: so do Postfix and Python read it."""
        if not self._fields:
            self._found.add(Defect.NO_HEADERS)
        blank = _BLANK_LINE.match(self._raw, position, self._end)
        if blank is None:
            self._found.add(Defect.MISSING_COLON)
            return position
        if blank.end() == position:
            self._found.add(Defect.NO_BLANK_LINE)
        return blank.end()

    def _behind_blank_line(self, position: int) -> int:
        """Beyond a limit no field is read; the body is still found, since scanners must see it."""
        first = self._raw.find(b"\n\r\n", position, self._end)
        other = self._raw.find(b"\n\n", position, self._end if first < 0 else first + 2)
        if other >= 0:
            return other + 2
        if first >= 0:
            return first + 3
        self._found.add(Defect.NO_BLANK_LINE)
        return self._end

    def _damage(self) -> Iterator[Defect]:
        block = self._raw[self._start : min(self._body_start, self._start + self._limits.header_bytes)]
        if b"\0" in block:
            yield Defect.NUL
        if block.count(b"\r") != block.count(b"\r\n"):
            yield Defect.BARE_CR
        if not block.isascii():
            yield Defect.EIGHT_BIT_HEADER
        if len(block) > self._limits.line_octets and max(map(len, block.splitlines())) > self._limits.line_octets:
            yield Defect.LINE_TOO_LONG
        names = self._names
        if len(set(names)) < len(names) and any(names.count(name) > 1 for name in _SINGLETONS):
            yield Defect.DUPLICATE_HEADER


def _key(name: str) -> bytes:
    return name.lower().encode("utf-8", "replace")


def _unfold(value: bytes) -> bytes:
    """RFC 5322 2.2.3: line breaks go, the white space behind them stays."""
    if b"\n" in value:
        value = value.replace(b"\r\n", b"").replace(b"\n", b"")
    return value.rstrip(b" \t\r").translate(_NOT_TEXT)


def _text(value: bytes) -> str:
    return charset.decode(_unfold(value))

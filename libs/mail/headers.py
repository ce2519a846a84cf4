"""The header block of a message or a part (RFC 5322 2.2): an index of fields over the raw octets, read when asked.

Only requested fields are copied, and nothing raises: `defects` reports damage. Text is always free of CR, LF, NUL and
surrogates.
"""

import re
from collections.abc import Iterator

from libs.mail import charset
from libs.mail.address_list import parse_addresses
from libs.mail.defects import Defect, in_order
from libs.mail.encoded_words import decode_words
from libs.mail.folding import fold, mailbox
from libs.mail.limits import DEFAULT_LIMITS, MessageLimits

__all__ = ["Headers", "fold", "mailbox"]

# A name, a colon (RFC 5322 4.5 allows space before it), a value with its folded lines. Possessive, so linear.
_FIELD = re.compile(rb"([!-9;-~]++)[ \t]*+:[ \t]*+([^\n]*+(?:\n[ \t][^\n]*+)*+)(?:\n|\Z)")
_BLANK_LINE = re.compile(rb"\r?\n|\Z")
# Lines that are no field, between fields: readers from Dovecot to MimeKit go on behind them. Only where a field that
# mail really has follows, since otherwise it is a text whose blank line was forgotten.
_ODD_LINES = re.compile(
    rb"(?:(?![ \t\r\n])[^\n]*+\n(?:[ \t][^\n]*+\n)*+){1,5}?"
    rb"(?=(?:Content-(?:Type|Transfer-Encoding|Disposition|ID|Description)|MIME-Version|From|To|Cc|Subject|Date|Sender"
    rb"|Message-ID|Received|Reply-To|Return-Path|References|In-Reply-To|DKIM-Signature|List-[!-9;-~]+|ARC-[!-9;-~]+"
    rb"|X-[!-9;-~]+)[ \t]*:)",
    re.IGNORECASE,
)
_MAX_SKIPPED = 20  # runs of such lines in one block
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_NOT_TEXT = bytes.maketrans(b"\r\0", b"  ")

# RFC 5322 3.6, RFC 2045 3, RFC 2183 2: at most one of each. Readers disagree which of two counts.
_SINGLETONS = frozenset(
    {
        *(b"date", b"from", b"sender", b"reply-to", b"to", b"cc", b"bcc", b"message-id", b"in-reply-to", b"references"),
        *(b"subject", b"mime-version", b"content-type", b"content-transfer-encoding", b"content-disposition"),
    }
)


class Headers:
    """The fields that start at `start` of `raw`, up to the blank line or to the first line that is no field.

    `Headers(b"Subject: hello\\r\\n\\r\\nbody")`. Names are compared without case; values come unfolded, decoded from
    UTF-8 or, if they are none, from windows-1252, with RFC 2047 left as it is.
    """

    __slots__ = ("_body_start", "_end", "_fields", "_found", "_limits", "_names", "_raw", "_skipped", "_start")

    def __init__(
        self, raw: bytes, limits: MessageLimits = DEFAULT_LIMITS, start: int = 0, end: int | None = None
    ) -> None:
        self._raw = raw
        self._limits = limits
        self._start = start
        self._end = len(raw) if end is None else end
        self._fields: list[re.Match[bytes]] = []
        self._names: list[bytes] = []  # of the fields, in lower case: a list is quicker than a dict for one message
        self._found: set[Defect] = set()
        self._skipped: list[tuple[int, int]] = []
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
        """(display name, address) of each mailbox in all fields of that name, bounded by `MessageLimits.addresses`."""
        found: list[tuple[str, str]] = []
        for value in self.all(name):
            found += parse_addresses(value, self._limits.addresses - len(found))
        return found

    def octets(self, name: str) -> bytes | None:
        """Return the first value unfolded but undecoded, for comparison octet by octet (a MIME boundary)."""
        value = self._first(name)
        return None if value is None else _unfold(value)

    def all_octets(self, name: str) -> list[bytes]:
        """As `octets`, of all fields of that name, from the top."""
        key = _key(name)
        return [_unfold(field[2]) for field, here in zip(self._fields, self._names, strict=True) if here == key]

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
    def span(self) -> tuple[bytes, int, int]:
        """(raw, start, end) of the block."""
        return self._raw, self._start, self._body_start

    @property
    def body_start(self) -> int:
        """Where in `raw` the body starts: behind the blank line."""
        return self._body_start

    @property
    def skipped(self) -> tuple[tuple[int, int], ...]:
        """(start, end) in `raw` of each run of lines inside the block that were passed over, being no fields."""
        return tuple(self._skipped)

    @property
    def fields_start(self) -> int:
        """Where in `raw` the first field starts: behind a byte order mark or the first line of an mbox file."""
        return self._skipped[0][1] if self._skipped and self._skipped[0][0] == self._start else self._start

    @property
    def is_open(self) -> bool:
        """Whether a body follows the fields with no blank line between them: readers disagree where it starts."""
        start, body = self._start, self._body_start
        closed = self._raw.endswith((b"\n\n", b"\n\r\n") if body - start > 2 else b"\n", start, body)
        return body < self._end and not closed

    @property
    def defects(self) -> tuple[Defect, ...]:
        """The defects of the block, in the order of the enumeration."""
        return in_order([*self._found, *self._damage()])

    def _first(self, name: str) -> bytes | None:
        key = _key(name)
        return self._fields[self._names.index(key)][2] if key in self._names else None

    def _scan(self) -> int:
        """Fills the index and returns where the body starts."""
        raw, end, position = self._raw, self._end, self._first_line()
        ceiling, room = self._start + self._limits.header_bytes, self._limits.header_count
        fields, names, match_at = self._fields, self._names, _FIELD.match
        while True:
            while match := match_at(raw, position, end):
                position = match.end()
                if position > ceiling or len(fields) == room:
                    self._found.add(Defect.HEADERS_TOO_LARGE if position > ceiling else Defect.TOO_MANY_HEADERS)
                    return self._behind_blank_line(position - 1)
                fields.append(match)
                names.append(match[1].lower())
            behind = self._behind_odd_lines(position, min(end, ceiling))
            if behind == position:
                return self._body_at(position)
            position = behind

    def _first_line(self) -> int:
        """Where the first field should be: behind a byte order mark, or the first line of an mbox file (RFC 4155)."""
        raw, start, end = self._raw, self._start, self._end
        if raw.startswith(_BYTE_ORDER_MARK, start, end):
            at = start + len(_BYTE_ORDER_MARK)
            return self._skip(start, at, Defect.BYTE_ORDER_MARK) if _FIELD.match(raw, at, end) else start
        if not raw.startswith((b"From ", b">From "), start, end) or _FIELD.match(raw, start, end):
            return start
        return self._skip(start, raw.find(b"\n", start, end) + 1 or start, Defect.MBOX_LINE)

    def _behind_odd_lines(self, position: int, end: int) -> int:
        """Where the fields go on; `position` where they do not."""
        if not self._fields or position >= end or self._raw[position] in b"\r\n" or len(self._skipped) > _MAX_SKIPPED:
            return position
        odd = _ODD_LINES.match(self._raw, position, end)
        return self._skip(position, odd.end(), Defect.MISSING_COLON) if odd else position

    def _skip(self, start: int, end: int, why: Defect) -> int:
        if end > start:
            self._found.add(why)
            self._skipped.append((start, end))
        return end

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
        single = [name for name in self._names if name in _SINGLETONS]
        if len(set(single)) < len(single):
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

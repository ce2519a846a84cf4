"""One node of the MIME tree (RFC 2045, 2046): its fields at once, its body decoded when asked."""

import re
from urllib.parse import unquote

from libs.mail import charset
from libs.mail.choices import MOST, file_names
from libs.mail.defects import Defect, in_order
from libs.mail.encoded_words import decode_words
from libs.mail.headers import Headers
from libs.mail.limits import MessageLimits
from libs.mail.parameters import Parameterised, first_token, parse_parameters
from libs.mail.transfer import ENCODINGS, IDENTITY, decode_body

MAX_FILENAME = 255

_TYPE = re.compile(r"[^\s/()<>@,;:\\\"\[\]?=]+/[^\s/()<>@,;:\\\"\[\]?=]+")  # RFC 2045 5.1
EMBEDDED = frozenset({"message/rfc822", "message/global", "message/news"})  # RFC 2046 5.2.1, RFC 6532 3.7, RFC 5537


class Part:
    """The octets from `start` to `end` of `raw`: header block, blank line, body."""

    __slots__ = (
        *("_content", "_end", "_headers", "_limits", "_raw", "_start", "_type"),
        *("damage", "default_type", "is_leaf", "near_delimiters"),
    )

    def __init__(
        self, raw: bytes, start: int, end: int, *, limits: MessageLimits, default_type: str = "text/plain"
    ) -> None:
        self._raw = raw
        self._start = start
        self._end = end
        self._limits = limits
        self.default_type = default_type
        self._headers: Headers | None = None
        self._content: Parameterised | None = None
        self._type = ""
        self.is_leaf = True  # the walker knows better once it has found children
        self.near_delimiters: set[bytes] = set()  # of a multipart: what stands before what may be taken for one
        self.damage: set[Defect] = set()

    @property
    def headers(self) -> Headers:
        if self._headers is None:
            self._headers = Headers(self._raw, self._limits, self._start, self._end)
        return self._headers

    @property
    def raw(self) -> memoryview:
        """The whole part as it stands, headers included; no copy."""
        return memoryview(self._raw)[self._start : self._end]

    @property
    def content_type(self) -> str:
        """`type/subtype` in lower case. RFC 2045 5.2: text/plain where it is missing or malformed."""
        if not self._type:
            self._type = type_of(self.parameters.value) or self.default_type
        return self._type

    @property
    def charset(self) -> str:
        """As declared, in lower case; empty if it is not."""
        return self.parameters.parameters.get("charset", "").strip(" '\"").lower()

    @property
    def parameters(self) -> Parameterised:
        """Content-Type as it stands, with its parameters."""
        if self._content is None:
            self._content = parse_parameters(self.headers.get("Content-Type") or "")
        return self._content

    @property
    def _disposition(self) -> Parameterised:
        return parse_parameters(self.headers.get("Content-Disposition") or "")

    @property
    def disposition(self) -> str:
        """`attachment`, `inline` or another token in lower case; empty if there is none (RFC 2183)."""
        return self._disposition.value

    @property
    def filename(self) -> str:
        """As the sender wants it shown, decoded (RFC 2231, RFC 2047), printable, at most 255 characters; or empty.

        It may hold slashes and worse: text to show and to match, never a path.
        """
        named = self._disposition.parameters.get("filename") or self.parameters.parameters.get("name", "")
        return _shown(decode_words(named))

    @property
    def file_names(self) -> tuple[str, ...]:
        """Every name that a reader may take for that of the part, `filename` first; each as it is described there."""
        headers, first = self.headers, self.filename
        if self.has_clear_names:
            others = [decode_words(self.parameters.parameters.get("name", "")), unquote(first)]
            if _extension(others[0]) and _extension(others[0]) != _extension(first):
                self.damage.add(Defect.DUPLICATE_PARAMETER)
        else:
            others = file_names(headers.all("Content-Disposition"), headers.all("Content-Type"))
            if any(
                name.startswith(("name", "filename")) for name in self._disposition.repeated | self.parameters.repeated
            ):
                self.damage.add(Defect.DUPLICATE_PARAMETER)
            if len(others) > MOST:
                self.damage.add(Defect.TOO_MANY_READINGS)
        return tuple(dict.fromkeys(name for name in (first, *map(_shown, others)) if name))

    @property
    def has_clear_names(self) -> bool:
        """Whether all readers find the same file names."""
        headers = self.headers
        if headers.count("Content-Type") > 1 or headers.count("Content-Disposition") > 1:
            return False
        return (self.parameters.is_clear or not headers.count("Content-Type")) and (
            self._disposition.is_clear or not headers.count("Content-Disposition")
        )

    @property
    def encoding(self) -> str:
        """Content-Transfer-Encoding in lower case; empty if there is none."""
        value = self.headers.get("Content-Transfer-Encoding")
        return first_token(value) if value else ""

    @property
    def has_clear_encoding(self) -> bool:
        """Whether all readers undo the same Content-Transfer-Encoding, or none."""
        headers = self.headers
        value = (headers.get("Content-Transfer-Encoding") or "").lower()
        clear = value in ENCODINGS or IDENTITY.fullmatch(value) is not None
        return clear and headers.count("Content-Transfer-Encoding") <= 1

    @property
    def defects(self) -> tuple[Defect, ...]:
        """The defects of this node alone; those of its encoding follow a call of `body()`."""
        return in_order([*self.damage, *self.headers.defects])

    def body(self, limit_octets: int | None = None) -> bytes:
        """The decoded octets, made anew at each call; of a container, what stands between its headers and its end.

        With a limit only so many encoded octets are looked at, so the result is never longer than that.
        """
        start = self.headers.body_start
        end = self._end if limit_octets is None else min(self._end, start + limit_octets)
        octets, defect = decode_body(self.encoding, self._raw[start:end])
        if defect and end == self._end:
            self.damage.add(defect)
        return octets

    def text(self, limit_octets: int | None = None) -> str:
        """`body()` as text: the declared charset if we know it, else UTF-8 or windows-1252; never raises."""
        return charset.decode(self.body(limit_octets), self.charset)

    @property
    def is_multipart(self) -> bool:
        return self.content_type.startswith("multipart/")

    @property
    def is_embedded_message(self) -> bool:
        return self.content_type in EMBEDDED

    @property
    def span(self) -> tuple[bytes, int, int]:
        """(raw, start, end) of the whole part as it stands."""
        return self._raw, self._start, self._end

    @property
    def body_span(self) -> tuple[bytes, int, int]:
        """(raw, start, end) of the body as it stands, for the walker."""
        return self._raw, self.headers.body_start, self._end

    @property
    def boundary(self) -> bytes:
        """RFC 2046 5.1.1; empty if there is none within the limits."""
        text = self.parameters.parameters.get("boundary", "")
        if not text.isascii():  # then it must be compared as the octets that it was
            octets = self.headers.octets("Content-Type") or b""
            text = parse_parameters(octets.decode("latin-1")).parameters.get("boundary", "")
        octets = text.rstrip().encode("latin-1", "replace")
        return octets if len(octets) <= self._limits.boundary_octets else b""


def _shown(name: str) -> str:
    """At most 255 characters; of a longer name the end stays, since it says what a double click does."""
    name = name.strip()
    return name if len(name) <= MAX_FILENAME else name[: MAX_FILENAME - 64] + name[-64:]


def _extension(name: str) -> str:
    return name.rpartition(".")[2].strip().lower() if "." in name else ""


def type_of(value: str) -> str:
    """The type that a Content-Type means; empty if it says nothing."""
    if not value or _TYPE.fullmatch(value):
        return value
    return "multipart/mixed" if value.rstrip("/") == "multipart" else "text/plain"

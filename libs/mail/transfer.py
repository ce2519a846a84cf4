"""Content-Transfer-Encoding (RFC 2045 6), decoded as tolerantly as by mail clients: a scanner must see what they show.

All decoders are linear, never raise, and give at most as many octets as they got: (octets, defect or None).
"""

import binascii
import re
from collections.abc import Iterator
from itertools import islice

from libs.mail.defects import Defect

_BASE64_OCTETS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_BASE64_LAWFUL = _BASE64_OCTETS + b"=\r\n \t"
_BASE64_JUNK = bytes(octet for octet in range(256) if octet not in _BASE64_OCTETS)
_BASE64_FOREIGN = re.compile(rb"[^A-Za-z0-9+/=\r\n \t]")
_MAX_BASE64_RUNS = 1_000
_MAX_UU_FILES = 1_000
_MAX_UU_LINES = 400_000  # 25 MB in full lines

_SPACE_BEHIND_SOFT_BREAK = re.compile(rb"=[ \t]++(?=\r?\n|\Z)")
_LINE = re.compile(rb"[^\r\n]++")
_UU_BEGIN = re.compile(rb"^begin(?:-base64)? [0-7]{3,4} ([^\r\n]{0,255})\r?\n", re.MULTILINE)

_Y_BEGIN = re.compile(rb"^=ybegin [^\r\n]*?name=([^\r\n]{0,255})\r?\n(?:=ypart [^\r\n]*\r?\n)?", re.MULTILINE)
_Y_ESCAPE = re.compile(rb"=([\x00-\xff])", re.DOTALL)
_Y_OCTETS = bytes((octet - 42) & 255 for octet in range(256))

# 7bit and its like (RFC 2045 6.2), and as honest senders write them.
IDENTITY = re.compile(r"(?:[78][-_ ]?bits?|[78]|binary|)[ \t.;]*", re.ASCII)
UUENCODE = frozenset({"x-uuencode", "uuencode", "x-uue", "uue"})
ENCODINGS = frozenset({"base64", "quoted-printable", *UUENCODE})

Decoded = tuple[bytes, Defect | None]


def decode_body(encoding: str, octets: bytes) -> Decoded:
    """The octets behind a Content-Transfer-Encoding, whose name is in lower case and may be empty."""
    if encoding == "base64":
        return decode_base64(octets)
    if encoding == "quoted-printable":
        return decode_quoted_printable(octets)
    if encoding in UUENCODE:
        return decode_uuencode(octets)
    # RFC 2045 6.4: of an unknown encoding it is application/octet-stream, as it stands.
    return octets, None if IDENTITY.fullmatch(encoding) else Defect.UNKNOWN_ENCODING


def decode_base64(octets: bytes) -> Decoded:
    """RFC 2045 6.8: foreign octets are skipped, missing padding is supplied, text behind a padding is decoded too."""
    padding = octets.find(b"=")
    if padding >= 0 and octets[padding:].strip(b"=\r\n \t"):
        return _decode_base64_runs(octets), Defect.BAD_BASE64
    defect = Defect.BAD_BASE64 if octets.translate(None, _BASE64_LAWFUL) else None
    try:
        return binascii.a2b_base64(octets), defect
    except binascii.Error:
        return _decode_base64_run(octets), Defect.BAD_BASE64


def other_base64_readings(octets: bytes) -> tuple[bytes, ...]:
    """What readers get out of damaged base64 that `decode_base64` does not: see there.

    Some take a padding in the middle for nothing, some end at it, some end at the first foreign octet.
    """
    padding = octets.find(b"=")
    foreign = _BASE64_FOREIGN.search(octets)
    ends = {len(octets) if padding < 0 else padding, foreign.start() if foreign else len(octets)}
    return (_decode_base64_run(octets), *(_decode_base64_run(octets[:end]) for end in sorted(ends)))


def _decode_base64_runs(octets: bytes) -> bytes:
    """Several paddings: some programs glue encoded pieces together, and clients differ on where they stop."""
    runs: list[bytes] = []
    start = 0
    while start < len(octets) and len(runs) < _MAX_BASE64_RUNS:
        end = octets.find(b"=", start)
        end = len(octets) if end < 0 else end
        runs.append(_decode_base64_run(octets[start:end]))
        start = end + 1
    return b"".join(runs)


def _decode_base64_run(octets: bytes) -> bytes:
    clean = octets.translate(None, _BASE64_JUNK)
    if len(clean) % 4 == 1:  # six bits make no octet
        clean = clean[:-1]
    return binascii.a2b_base64(clean + b"=" * (-len(clean) % 4))


def decode_quoted_printable(octets: bytes) -> Decoded:
    """RFC 2045 6.7; space behind a soft line break is ignored (rule 3), a malformed `=XY` stays as it is."""
    if b"= " in octets or b"=\t" in octets:  # binascii takes "= \n" for text, where clients see a soft line break
        octets = _SPACE_BEHIND_SOFT_BREAK.sub(b"=", octets)
    if octets.count(b"=\r") != octets.count(b"=\r\n"):  # binascii would hide all from "=\r" to the next LF
        octets = octets.replace(b"=\r\n", b"=\n").replace(b"=\r", b"=\n")
    return binascii.a2b_qp(octets), None


def decode_uuencode(octets: bytes) -> Decoded:
    """Return the first block from `begin` to `end`, or without one all lines that decode (POSIX uuencode)."""
    begin = _UU_BEGIN.search(octets)
    return _decode_uu_block(octets, begin) if begin else _decode_uu_lines(octets)


def uuencoded_files(text: bytes) -> Iterator[tuple[str, bytes]]:
    """(name, octets) of each uuencoded file inside a plain text, which old clients show as an attachment."""
    begin = _UU_BEGIN.search(text) if b"begin" in text else None
    for _ in range(_MAX_UU_FILES):
        if begin is None:
            return
        yield begin[1].decode("utf-8", "replace"), _decode_uu_block(text, begin)[0]
        begin = _UU_BEGIN.search(text, _uu_end(text, begin))


def yencoded_files(text: bytes) -> Iterator[tuple[str, bytes]]:
    """(name, octets) of each yEncoded file inside a text (yEnc draft 1.3), which news and mail clients show too."""
    begin = _Y_BEGIN.search(text) if b"=ybegin" in text else None
    for _ in range(_MAX_UU_FILES):
        if begin is None:
            return
        end = text.find(b"\n=yend", begin.end() - 1)
        end = len(text) if end < 0 else end
        yield begin[1].strip().decode("utf-8", "replace"), _decode_y_lines(text[begin.end() : end])
        begin = _Y_BEGIN.search(text, end)


def _decode_y_lines(lines: bytes) -> bytes:
    """Each octet is 42 more than it was, behind "=" another 64."""
    coded = _Y_ESCAPE.sub(lambda escape: bytes(((escape[1][0] - 64) & 255,)), lines.translate(None, b"\r\n"))
    return coded.translate(_Y_OCTETS)


def _decode_uu_block(text: bytes, begin: re.Match[bytes]) -> Decoded:
    block = text[begin.end() : _uu_end(text, begin)]
    return decode_base64(block) if begin[0].startswith(b"begin-") else _decode_uu_lines(block)


def _uu_end(text: bytes, begin: re.Match[bytes]) -> int:
    """Where the block ends: at its `end` line (`====` of base64), or where the text does."""
    end = text.find(b"\n====" if begin[0].startswith(b"begin-") else b"\nend", begin.end() - 1)
    return len(text) if end < 0 else max(end, begin.end())


def _decode_uu_lines(octets: bytes) -> Decoded:
    out: list[bytes] = []
    defect, size = None, 0
    for line in islice(_LINE.finditer(octets), _MAX_UU_LINES):  # lazily: a list could be many times the text
        decoded = _decode_uu_line(line[0])
        if decoded is None:
            defect = Defect.BAD_UUENCODE
        elif size + len(decoded) <= len(octets):  # a crafted short line stands for many zeros
            out.append(decoded)
            size += len(decoded)
    if octets.count(b"\n") > _MAX_UU_LINES:
        defect = Defect.BAD_UUENCODE
    return b"".join(out), defect


def _decode_uu_line(line: bytes) -> bytes | None:
    """The first character is the number of octets; some encoders add a checksum behind them, which is cut off."""
    if line == b"end":
        return b""
    if not 32 <= line[0] <= 96:
        return None
    size = (line[0] - 32) & 63
    try:
        return binascii.a2b_uu(line[: 1 + (size * 4 + 2) // 3])
    except binascii.Error:
        return None

"""PDF (ISO 32000-1): its streams, unpacked by the filters that their dictionaries name, and the names of its files."""

from __future__ import annotations

import re
import zlib
from binascii import a2b_hex
from collections.abc import Callable, Iterator, Mapping, Sequence

from services.antivirus.domain.budget import ScanBudget
from services.antivirus.domain.containers.inflating import Inflater, expand
from services.antivirus.domain.content import ScanContent
from services.antivirus.domain.detections import Detection, DetectionKind, detection

_STREAM = re.compile(rb"stream\r?\n?")
_END = b"endstream"
_DICTIONARY_REACH = 4096
_NAME = re.compile(rb"/((?:[^\0\t\n\f\r ()<>\[\]{}/%#]|#[0-9A-Fa-f]{2})+)")
_ESCAPED = re.compile(rb"#([0-9A-Fa-f]{2})")
# ISO 32000-1 7.11.3: the names of a file specification, as a string in brackets or in hexadecimal.
_FILE = re.compile(rb"/U?F\s*(?:\(((?:[^()\\]|\\.){1,1024})\)|<([0-9A-Fa-f\s]{2,2048})>)", re.DOTALL)
_ENCRYPT = re.compile(b"/" + b"".join(b"(?:%c|#(?i:%02x))" % (octet, octet) for octet in b"Encrypt") + rb"\b")
_BOM = b"\xfe\xff"

Filter = Callable[[bytes, ScanBudget], bytes]


def open_pdf(content: ScanContent, budget: ScanBudget) -> Iterator[ScanContent | Detection]:
    """Yield each stream, whether or not the cross-reference table lists it: readers repair broken tables."""
    octets, name = content.octets, content.name or "PDF"
    if _is_encrypted(octets):
        yield detection(DetectionKind.ENCRYPTED, name)
    yield from _named_files(octets)
    position, is_damaged = 0, False
    while (mark := _STREAM.search(octets, position)) is not None:
        budget.entry()
        if octets[mark.start() - 3 : mark.start()] == b"end":
            position = mark.end()
            continue
        end = octets.find(_END, mark.end())
        end = len(octets) if end < 0 else end
        filters = _filters(octets[max(position, mark.start() - _DICTIONARY_REACH) : mark.start()])
        unpacked = _unpacked(octets[mark.end() : end], filters, budget)
        if unpacked is None:
            is_damaged = True
        else:
            yield ScanContent(unpacked)
            yield from _named_files(unpacked)
        position = max(end, mark.end())
    if is_damaged:
        yield detection(DetectionKind.UNREADABLE_ARCHIVE, "a stream that cannot be unpacked:", name)


def _is_encrypted(octets: bytes) -> bool:
    """7.6.1: the trailer, or the dictionary of a cross-reference stream, names the way."""
    return _ENCRYPT.search(octets) is not None


def _named_files(octets: bytes) -> Iterator[ScanContent]:
    for found in _FILE.finditer(octets):
        if name := _text(found[1], found[2]):
            yield ScanContent(b"", name)


def _text(literal: bytes | None, hexadecimal: bytes | None) -> str:
    if hexadecimal is not None:
        octets = _from_hex(hexadecimal, None)
    else:
        octets = re.sub(rb"\\(.)", rb"\1", literal or b"", flags=re.DOTALL)
    return octets[2:].decode("utf-16-be", "replace") if octets.startswith(_BOM) else octets.decode("latin-1")


def _plain(name: bytes) -> bytes:
    """7.3.5: any octet of a name may be written as # and two digits."""
    return _ESCAPED.sub(lambda found: a2b_hex(found[1]), name)


def _filters(dictionary: bytes) -> Sequence[str]:
    """In the order in which they are undone; of several dictionaries in reach the last one counts."""
    names = [_plain(found[1]).decode("latin-1") for found in _NAME.finditer(dictionary[dictionary.rfind(b"obj") + 1 :])]
    return [name for name in names if name in _FILTERS]


def _unpacked(octets: bytes, filters: Sequence[str], budget: ScanBudget) -> bytes | None:
    """None where a filter cannot be undone at all; images stay as they are."""
    for name in filters:
        undo = _FILTERS[name]
        if undo is None:
            return octets
        before, octets = octets, undo(octets, budget)
        if before.strip() and not octets:
            return None
    if not filters:
        budget.grown(len(octets), total=0, packed=0)
    return octets


def _inflated(octets: bytes, budget: ScanBudget) -> bytes:
    """Readers accept the output before the damage, and streams without the header of zlib."""
    start = len(octets) - len(octets.lstrip(b"\r\n"))
    for window_bits in (zlib.MAX_WBITS, -zlib.MAX_WBITS):
        if found := expand(Inflater(window_bits), octets, start, len(octets), budget).octets:
            return found
    return b""


def _from_hex(octets: bytes, _: ScanBudget | None) -> bytes:
    digits = re.sub(rb"[^0-9A-Fa-f]", b"", octets.partition(b">")[0])
    return a2b_hex(digits + b"0" * (len(digits) % 2))


def _from_ascii85(octets: bytes, budget: ScanBudget) -> bytes:
    out = bytearray()
    group: list[int] = []
    for octet in octets.partition(b"~")[0]:
        if octet == 0x7A and not group:  # z: four zeros
            out += b"\0\0\0\0"
        elif 0x21 <= octet <= 0x75:
            group.append(octet - 0x21)
            if len(group) == 5:
                out += _five(group)
                group = []
    if len(group) > 1:
        out += _five(group + [84] * (5 - len(group)))[: len(group) - 1]
    budget.grown(len(out), total=0, packed=0)
    return bytes(out)


def _five(digits: Sequence[int]) -> bytes:
    number = 0
    for digit in digits:
        number = number * 85 + digit
    return (number & 0xFFFFFFFF).to_bytes(4, "big")


def _from_run_lengths(octets: bytes, budget: ScanBudget) -> bytes:
    """7.4.5: a length, then so many octets, or one octet to be repeated."""
    out, at = bytearray(), 0
    while at < len(octets) and octets[at] != 128:
        length = octets[at]
        piece = octets[at + 1 : at + 2 + length] if length < 128 else octets[at + 1 : at + 2] * (257 - length)
        out += piece
        budget.grown(len(piece), total=len(out), packed=len(octets))
        at += length + 2 if length < 128 else 2
    return bytes(out)


def _from_lzw(octets: bytes, budget: ScanBudget) -> bytes:
    """7.4.4: codes of 9 to 12 bits; 256 clears the table, 257 ends."""
    out, table, width = bytearray(), [bytes([code]) for code in range(256)] + [b"", b""], 9
    before, bits, held = b"", 0, 0
    for octet in octets:
        bits, held = bits << 8 | octet, held + 8
        if held < width:
            continue
        held -= width
        code, bits = bits >> held, bits & ((1 << held) - 1)
        if code == 257:
            break
        if code == 256:
            table, width, before = table[:258], 9, b""
            continue
        if code > len(table) or (code == len(table) and not before):
            break
        piece = table[code] if code < len(table) else before + before[:1]
        if before and len(table) < 4096:
            table.append(before + piece[:1])
        width = 9 if len(table) < 511 else 10 if len(table) < 1023 else 11 if len(table) < 2047 else 12
        before = piece
        out += piece
        budget.grown(len(piece), total=len(out), packed=len(octets))
    return bytes(out)


# 7.4, with the short names of inline images; None for pictures, which nothing can hide in as they are.
_FILTERS: Mapping[str, Filter | None] = {
    "FlateDecode": _inflated,
    "Fl": _inflated,
    "ASCIIHexDecode": _from_hex,
    "AHx": _from_hex,
    "ASCII85Decode": _from_ascii85,
    "A85": _from_ascii85,
    "LZWDecode": _from_lzw,
    "LZW": _from_lzw,
    "RunLengthDecode": _from_run_lengths,
    "RL": _from_run_lengths,
    "DCTDecode": None,
    "DCT": None,
    "JPXDecode": None,
    "CCITTFaxDecode": None,
    "CCF": None,
    "JBIG2Decode": None,
}

"""RTF: objects that stand in it in hexadecimal, as Word takes them out."""

from __future__ import annotations

import re
from binascii import a2b_hex
from collections.abc import Iterator
from itertools import pairwise

from services.antivirus.domain.budget import ScanBudget
from services.antivirus.domain.containers.ole import dropped_file
from services.antivirus.domain.content import ScanContent
from services.antivirus.domain.detections import Detection

_OBJECT = re.compile(rb"\\objdata|\\\*\\objdata|\\datastore", re.IGNORECASE)
# What may stand between the digits: control words, groups, white space, anything that is no digit.
_CONTROL = re.compile(rb"\\bin(\d+) ?|\\'[0-9a-fA-F]{2}|\\[a-zA-Z]+-?\d* ?|\\.", re.DOTALL)
_NO_DIGIT = re.compile(rb"[^0-9a-fA-F]+")
_BRACE = re.compile(rb"\\.|[{}]", re.DOTALL)
_COMPOUND_FILE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_PACKAGE = b"Package\0"


def open_rtf(content: ScanContent, budget: ScanBudget) -> Iterator[ScanContent | Detection]:
    """Each object: whole, as the compound file or the dropped file in it."""
    octets = content.octets
    starts = [found.end() for found in _OBJECT.finditer(octets)]
    for start, end in pairwise([*starts, len(octets)]):
        budget.entry()
        value = _decoded(octets[start : _end_of_group(octets, start, end)])
        budget.grown(len(value), total=0, packed=0)
        yield ScanContent(value)
        if (at := value.find(_COMPOUND_FILE)) >= 0:
            yield ScanContent(value[at:])
        if (at := value.find(_PACKAGE)) >= 0:
            # MS-OLEDS 2.2.5: behind the class two empty names of 4 octets, then the size and the file with its label.
            yield dropped_file(value[at + len(_PACKAGE) + 8 :])


def _end_of_group(octets: bytes, start: int, end: int) -> int:
    depth = 0
    for found in _BRACE.finditer(octets, start, end):
        if found[0] == b"{":
            depth += 1
        elif found[0] == b"}":
            if depth == 0:
                return found.start()
            depth -= 1
    return end


def _decoded(text: bytes) -> bytes:
    digits = _NO_DIGIT.sub(b"", _CONTROL.sub(b"", text))
    return a2b_hex(digits[: len(digits) & ~1])

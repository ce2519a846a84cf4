"""Old Excel workbooks (MS-XLS): records, of which those before the first sheet tell of macros and passwords."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

# Record numbers: MS-XLS 2.3. Type 1 of BoundSheet8 (MS-XLS 2.4.28) is a sheet of Excel 4 macros; built-in names 1 to
# 3 of Lbl (MS-XLS 2.4.150).
_EOF, _NAME, _PASSWORD, _SHEET = 0x000A, 0x0018, 0x002F, 0x0085
_RECORDS = 100_000
# The name stands behind an octet of flags, but not in files of Excel 5.
_STARTS = {0x01: "Auto_Open", 0x02: "Auto_Close", 0x0A: "Auto_Activate"}


@dataclass(slots=True)
class Workbook:
    """`starts` names what its Excel 4 macros are called by; empty if none starts by itself."""

    has_macro_sheet: bool = False
    is_encrypted: bool = False
    starts: str = ""


def read_workbook(stream: bytes) -> Workbook:
    """Of the stream `Workbook` or `Book`. Never raises."""
    seen = Workbook()
    for kind, value in _records(stream):
        if kind == _PASSWORD:
            seen.is_encrypted = True
        elif kind == _SHEET and len(value) > 5 and value[5] == 1:
            seen.has_macro_sheet = True
        elif kind == _NAME and len(value) > 15 and value[0] & 0x20:
            seen.starts = seen.starts or _STARTS.get(value[15], "") or _STARTS.get(value[14], "")
    return seen


def _records(stream: bytes) -> Iterator[tuple[int, bytes]]:
    """Number (2 octets), size (2), value; up to the end of the globals substream (MS-XLS 2.1.7.20.3)."""
    at = 0
    for _ in range(_RECORDS):
        kind, size = int.from_bytes(stream[at : at + 2], "little"), int.from_bytes(stream[at + 2 : at + 4], "little")
        if at + 4 > len(stream) or kind == _EOF:
            return
        yield kind, stream[at + 4 : at + 4 + size]
        at += 4 + size

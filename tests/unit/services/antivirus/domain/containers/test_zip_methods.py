"""The compression methods of zip."""

from __future__ import annotations

import bz2
import lzma
import struct
import zlib

import pytest

from services.antivirus.domain.containers.inflating import MEMORY_LIMIT
from services.antivirus.domain.containers.zip_methods import decompressor_for

TEXT = b"bonjour " * 1000
FILTER = {"id": lzma.FILTER_LZMA1, "lc": 3, "lp": 0, "pb": 2, "dict_size": 1 << 16}


def lzma_stream(properties: bytes) -> bytes:
    raw = lzma.compress(TEXT, lzma.FORMAT_RAW, filters=[FILTER])
    return b"\x09\x04" + struct.pack("<H", len(properties)) + properties + raw


def properties(first: int = (2 * 5 + 0) * 9 + 3, dictionary: int = 1 << 16) -> bytes:
    return bytes([first]) + struct.pack("<I", dictionary)


@pytest.mark.parametrize(
    ("method", "packed"),
    [
        pytest.param(8, zlib.compress(TEXT, wbits=-15), id="deflated"),
        pytest.param(12, bz2.compress(TEXT), id="bzip2"),
        pytest.param(14, lzma_stream(properties()), id="LZMA"),
        pytest.param(95, lzma.compress(TEXT), id="xz"),
    ],
)
def test_each_known_method_gives_the_content_back(method: int, packed: bytes) -> None:
    decompressor, start = decompressor_for(method, b"before" + packed, 6)
    assert decompressor is not None
    assert b"".join(decompressor.steps((b"before" + packed)[start:])) == TEXT


@pytest.mark.parametrize(
    ("method", "packed"),
    [
        pytest.param(97, b"", id="unknown method"),
        pytest.param(14, b"", id="cut off"),
        pytest.param(14, lzma_stream(b"x" * 6), id="properties of another size"),
        pytest.param(14, lzma_stream(properties(9 * 5 * 5)), id="properties out of range"),
        pytest.param(14, lzma_stream(properties(dictionary=MEMORY_LIMIT + 1)), id="more memory than is allowed"),
        pytest.param(14, lzma_stream(properties(1 * 9 + 4)), id="context bits that liblzma refuses"),
    ],
)
def test_a_stream_that_cannot_be_undone_has_no_decompressor(method: int, packed: bytes) -> None:
    assert decompressor_for(method, packed, 0) == (None, 0)

"""Streams of PDF (ISO 32000-1 7.3.8) and their filters (7.4)."""

from __future__ import annotations

import zlib

import pytest

from services.antivirus.domain.file_formats import FileFormat
from tests.specimens import formats
from tests.specimens.opened import INNER, contents_of


@pytest.mark.parametrize(
    ("octets", "form"),
    [
        (formats.pdf(INNER, b""), FileFormat.PDF),
        (formats.pdf(zlib.compress(INNER), b"/FlateDecode"), FileFormat.PDF),
        (formats.pdf(formats.ascii85(INNER), b"/ASCII85Decode"), FileFormat.PDF),
        (formats.pdf(formats.lzw(INNER), b"/LZWDecode"), FileFormat.PDF),
        (formats.pdf(INNER.hex().encode() + b">", b"/ASCIIHexDecode"), FileFormat.PDF),
    ],
    ids=lambda value: value.name if isinstance(value, FileFormat) else "packed",
)
def test_the_file_inside_comes_out(octets: bytes, form: FileFormat) -> None:
    assert any(INNER in found for found in contents_of(octets, form))

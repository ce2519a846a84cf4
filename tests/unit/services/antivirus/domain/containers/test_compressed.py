"""Single compressed streams."""

from __future__ import annotations

import lzma

import pytest

from services.antivirus.domain.detections import DetectionKind
from services.antivirus.domain.file_formats import FileFormat
from tests.specimens import antivirus, formats
from tests.specimens.opened import INNER, contents_of, kinds_of


@pytest.mark.parametrize(
    ("octets", "form"),
    [
        (antivirus.compressed(INNER, "gz"), FileFormat.GZIP),
        (antivirus.compressed(INNER, "bz2"), FileFormat.BZIP2),
        (antivirus.compressed(INNER, "xz"), FileFormat.XZ),
        (formats.lzip(INNER), FileFormat.LZIP),
        (lzma.compress(INNER, lzma.FORMAT_ALONE), FileFormat.LZMA),
    ],
    ids=lambda value: value.name if isinstance(value, FileFormat) else "packed",
)
def test_the_file_inside_comes_out(octets: bytes, form: FileFormat) -> None:
    assert any(INNER in found for found in contents_of(octets, form))


@pytest.mark.parametrize(("name", "form"), [("gz", FileFormat.GZIP), ("bz2", FileFormat.BZIP2), ("xz", FileFormat.XZ)])
def test_a_stream_that_is_cut_off_is_unreadable(name: str, form: FileFormat) -> None:
    assert kinds_of(antivirus.compressed(INNER, name)[:-9], form) == {DetectionKind.UNREADABLE_ARCHIVE}

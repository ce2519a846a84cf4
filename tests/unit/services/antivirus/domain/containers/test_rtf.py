"""Objects in RTF."""

from __future__ import annotations

import pytest

from services.antivirus.domain.file_formats import FileFormat
from tests.specimens import formats
from tests.specimens.opened import INNER, contents_of


@pytest.mark.parametrize(
    ("octets", "form"),
    [
        (formats.rtf(INNER), FileFormat.RTF),
        (formats.rtf(INNER, between=b"\r\n"), FileFormat.RTF),
    ],
    ids=lambda value: value.name if isinstance(value, FileFormat) else "packed",
)
def test_the_file_inside_comes_out(octets: bytes, form: FileFormat) -> None:
    assert any(INNER in found for found in contents_of(octets, form))

"""MAPI properties in TNEF (MS-OXTNEF 2.1.3.4)."""

from __future__ import annotations

import pytest

from services.antivirus.domain.file_formats import FileFormat
from tests.specimens import formats
from tests.specimens.opened import INNER, contents_of


@pytest.mark.parametrize(
    ("octets", "form"),
    [
        (formats.tnef_object(INNER), FileFormat.TNEF),
        (formats.tnef_rtf(rb"{\rtf1 " + INNER + b"}"), FileFormat.TNEF),
    ],
    ids=lambda value: value.name if isinstance(value, FileFormat) else "packed",
)
def test_the_file_inside_comes_out(octets: bytes, form: FileFormat) -> None:
    assert any(INNER in found for found in contents_of(octets, form))

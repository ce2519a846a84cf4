"""TNEF (MS-OXTNEF)."""

from __future__ import annotations

import pytest

from services.antivirus.domain.file_formats import FileFormat
from tests.specimens import antivirus, formats
from tests.specimens.opened import INNER, contents_of


@pytest.mark.parametrize(
    ("octets", "form"),
    [
        (antivirus.tnef(INNER, "a.txt"), FileFormat.TNEF),
        (antivirus.tnef(b"x", "a.txt", INNER), FileFormat.TNEF),
        (formats.tnef_object(INNER), FileFormat.TNEF),
    ],
    ids=lambda value: value.name if isinstance(value, FileFormat) else "packed",
)
def test_the_file_inside_comes_out(octets: bytes, form: FileFormat) -> None:
    assert any(INNER in found for found in contents_of(octets, form))

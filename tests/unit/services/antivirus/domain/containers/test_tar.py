"""tar in its variants."""

from __future__ import annotations

import pytest

from services.antivirus.domain.file_formats import FileFormat
from tests.specimens import antivirus, formats
from tests.specimens.opened import INNER, contents_of


@pytest.mark.parametrize(
    ("octets", "form"),
    [
        (antivirus.tarred({"a": INNER}), FileFormat.TAR),
        (antivirus.tarred({"a" * 200: INNER}), FileFormat.TAR),
        (formats.tar(INNER, "v7"), FileFormat.TAR),
        (formats.tar(INNER, "pax"), FileFormat.TAR),
        (formats.tar(INNER, "gnu"), FileFormat.TAR),
    ],
    ids=lambda value: value.name if isinstance(value, FileFormat) else "packed",
)
def test_the_file_inside_comes_out(octets: bytes, form: FileFormat) -> None:
    assert any(INNER in found for found in contents_of(octets, form))

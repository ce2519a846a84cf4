"""Compound files: streams, embedded files, macros."""

from __future__ import annotations

import pytest

from services.antivirus.domain.file_formats import FileFormat
from tests.specimens import office
from tests.specimens.opened import INNER, contents_of


@pytest.mark.parametrize(
    ("octets", "form"),
    [
        (office.compound_file({"Contents": INNER}), FileFormat.OLE),
        (office.old_word(b"Attribute VB_Name\r\n" + INNER), FileFormat.OLE),
    ],
    ids=lambda value: value.name if isinstance(value, FileFormat) else "packed",
)
def test_the_file_inside_comes_out(octets: bytes, form: FileFormat) -> None:
    assert any(INNER in found for found in contents_of(octets, form))

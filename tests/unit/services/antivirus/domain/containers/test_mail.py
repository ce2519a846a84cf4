"""Parts of a message, as different readers find them."""

from __future__ import annotations

import pytest

from services.antivirus.domain.file_formats import FileFormat
from tests.specimens import antivirus
from tests.specimens.opened import INNER, contents_of


@pytest.mark.parametrize(
    ("octets", "form"),
    [
        (antivirus.a_message(attachments={"a.bin": INNER}), FileFormat.MAIL),
        (antivirus.multipart(antivirus.a_part(INNER, name="a", encoding="quoted-printable")), FileFormat.MAIL),
        (antivirus.multipart(antivirus.a_part(INNER, name="a", encoding="8bit")), FileFormat.MAIL),
    ],
    ids=lambda value: value.name if isinstance(value, FileFormat) else "packed",
)
def test_the_file_inside_comes_out(octets: bytes, form: FileFormat) -> None:
    assert any(INNER in found for found in contents_of(octets, form))

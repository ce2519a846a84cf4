"""zip by its central directory and by its local headers."""

from __future__ import annotations

import zipfile

import pytest

from services.antivirus.domain.budget import ArchiveLimits, LimitExceeded
from services.antivirus.domain.detections import DetectionKind
from services.antivirus.domain.file_formats import FileFormat
from tests.specimens import antivirus
from tests.specimens.opened import INNER, contents_of, kinds_of, opened


@pytest.mark.parametrize(
    ("octets", "form"),
    [
        (antivirus.zipped({"a": INNER}), FileFormat.ZIP),
        (antivirus.zipped({"a": INNER}, method=zipfile.ZIP_STORED), FileFormat.ZIP),
        (antivirus.zipped({"a": INNER}, method=zipfile.ZIP_BZIP2), FileFormat.ZIP),
        (antivirus.zipped({"a": INNER}, method=zipfile.ZIP_LZMA), FileFormat.ZIP),
        (antivirus.hidden_in_zip(INNER), FileFormat.ZIP),
        (antivirus.streamed_zip({"a": INNER}), FileFormat.ZIP),
        (antivirus.zip64({"a": INNER}), FileFormat.ZIP),
    ],
    ids=lambda value: value.name if isinstance(value, FileFormat) else "packed",
)
def test_the_file_inside_comes_out(octets: bytes, form: FileFormat) -> None:
    assert any(INNER in found for found in contents_of(octets, form))


def test_an_encrypted_file_is_named() -> None:
    assert kinds_of(antivirus.encrypted_zip("a.txt"), FileFormat.ZIP) == {DetectionKind.ENCRYPTED}


def test_a_bomb_exceeds_the_limits() -> None:
    with pytest.raises(LimitExceeded):
        opened(antivirus.zeros_zip(2**20), FileFormat.ZIP, ArchiveLimits(expanded_bytes=2**16))

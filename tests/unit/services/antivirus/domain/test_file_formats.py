"""What octets are, by their first bytes."""

from __future__ import annotations

import pytest

from services.antivirus.domain.file_formats import FileFormat, file_format_of
from tests.specimens import antivirus as specimens

CASES = {
    "nothing": (b"", FileFormat.OTHER),
    "a text": (b"Hello", FileFormat.OTHER),
    "a message": (specimens.a_message(), FileFormat.MAIL),
    "a message with LF": (b"Subject: x\n\nHello", FileFormat.MAIL),
    "a message of an mbox": (b"From jean Mon Jan  1 00:00:00 2024\nSubject: x\n\n", FileFormat.MAIL),
    "a message with a private field": (b"X-Mailer: y\r\nFrom: a@example.com\r\n\r\n", FileFormat.MAIL),
    "a text that starts with a colon word": (b"Note: this is important\r\nand long", FileFormat.OTHER),
    "a zip": (specimens.zipped({"a": b"x"}), FileFormat.ZIP),
    "an empty zip": (specimens.zipped({}), FileFormat.ZIP),
    "a zip behind other octets": (b"junk" * 50 + specimens.zipped({"a": b"x"}), FileFormat.ZIP),
    "a zip behind a program": (specimens.program() + specimens.zipped({"a": b"x"}), FileFormat.ZIP),
    "a gzip": (specimens.compressed(b"x", "gz"), FileFormat.GZIP),
    "a bzip2": (specimens.compressed(b"x", "bz2"), FileFormat.BZIP2),
    "an xz": (specimens.compressed(b"x", "xz"), FileFormat.XZ),
    "a tar": (specimens.tarred({"a": b"x"}), FileFormat.TAR),
    "a winmail.dat": (specimens.tnef(b"x", "a"), FileFormat.TNEF),
    "a compound file": (specimens.ole(), FileFormat.OLE),
    "a uuencoded file": (b"Hello\n" + specimens.uuencoded(b"x", "a"), FileFormat.UUENCODED),
    "a text with begin": (b"We begin 644 things", FileFormat.OTHER),
    "a program": (specimens.program(), FileFormat.EXECUTABLE),
    "an ELF": (b"\x7fELF\x02\x01\x01", FileFormat.EXECUTABLE),
    "a shortcut": (b"L\0\0\0\x01\x14\x02\0\0\0\0\0", FileFormat.EXECUTABLE),
    "two letters": (b"MZ and more", FileFormat.OTHER),
    "a RAR": (b"Rar!\x1a\x07\0", FileFormat.CLOSED_ARCHIVE),
}


@pytest.mark.parametrize(("octets", "form"), CASES.values(), ids=CASES)
def test_a_form_is_known_by_its_octets(octets: bytes, form: FileFormat) -> None:
    assert file_format_of(octets) is form

"""What octets are, by their first bytes."""

from __future__ import annotations

import pytest

from services.antivirus.domain.forms import Form, form_of
from tests.specimens import antivirus as specimens

CASES = {
    "nothing": (b"", Form.OTHER),
    "a text": (b"Hello", Form.OTHER),
    "a message": (specimens.a_message(), Form.MAIL),
    "a message with LF": (b"Subject: x\n\nHello", Form.MAIL),
    "a message of an mbox": (b"From jean Mon Jan  1 00:00:00 2024\nSubject: x\n\n", Form.MAIL),
    "a message with a private field": (b"X-Mailer: y\r\nFrom: a@example.com\r\n\r\n", Form.MAIL),
    "a text that starts with a colon word": (b"Note: this is important\r\nand long", Form.OTHER),
    "a zip": (specimens.zipped({"a": b"x"}), Form.ZIP),
    "an empty zip": (specimens.zipped({}), Form.ZIP),
    "a zip behind other octets": (b"junk" * 50 + specimens.zipped({"a": b"x"}), Form.ZIP),
    "a zip behind a program": (specimens.program() + specimens.zipped({"a": b"x"}), Form.ZIP),
    "a gzip": (specimens.compressed(b"x", "gz"), Form.GZIP),
    "a bzip2": (specimens.compressed(b"x", "bz2"), Form.BZIP2),
    "an xz": (specimens.compressed(b"x", "xz"), Form.XZ),
    "a tar": (specimens.tarred({"a": b"x"}), Form.TAR),
    "a winmail.dat": (specimens.tnef(b"x", "a"), Form.TNEF),
    "a compound file": (specimens.ole(), Form.OLE),
    "a uuencoded file": (b"Hello\n" + specimens.uuencoded(b"x", "a"), Form.UUENCODED),
    "a text with begin": (b"We begin 644 things", Form.OTHER),
    "a program": (specimens.program(), Form.EXECUTABLE),
    "an ELF": (b"\x7fELF\x02\x01\x01", Form.EXECUTABLE),
    "a shortcut": (b"L\0\0\0\x01\x14\x02\0\0\0\0\0", Form.EXECUTABLE),
    "two letters": (b"MZ and more", Form.OTHER),
    "a RAR": (b"Rar!\x1a\x07\0", Form.CLOSED_ARCHIVE),
}


@pytest.mark.parametrize(("octets", "form"), CASES.values(), ids=CASES)
def test_a_form_is_known_by_its_octets(octets: bytes, form: Form) -> None:
    assert form_of(octets) is form

"""Contents and the formats that readers may take them for."""

from __future__ import annotations

from libs.mail.message import parse
from services.antivirus.domain.content import Role, ScanContent
from services.antivirus.domain.file_formats import FileFormat
from tests.specimens.antivirus import a_message, zipped


def test_a_parsed_message_is_mail() -> None:
    raw = a_message(b"text")
    assert ScanContent(raw, message=parse(raw)).forms == (FileFormat.MAIL,)


def test_the_text_of_a_message_that_quotes_one_is_text() -> None:
    assert ScanContent(a_message(b"text"), role=Role.BODY).forms == (FileFormat.OTHER,)


def test_a_message_that_ends_as_a_zip_is_both() -> None:
    octets = a_message(b"text") + zipped({"a": b"x"})
    assert set(ScanContent(octets, name="a.eml").forms) == {FileFormat.MAIL, FileFormat.ZIP}

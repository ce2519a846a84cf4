"""A virus that only some readers find is found, and mail on which readers differ is said to be ambiguous."""

from __future__ import annotations

import pytest

from libs.mail.message import parse
from services.antivirus.domain.budget import Limits
from services.antivirus.domain.content import Content
from services.antivirus.domain.inspection import inspect
from services.antivirus.domain.sightings import Kind
from services.antivirus.domain.walk import light
from tests.specimens import antivirus as specimens
from tests.specimens.broken_mail import EICAR, ODD_LINES, a_carrier


def kinds_in(raw: bytes, limits: Limits | None = None) -> set[Kind]:
    return {seen.kind for seen in inspect(Content(raw, message=parse(raw)), limits or Limits()).sightings}


@pytest.mark.parametrize("line", ODD_LINES, ids=repr)
@pytest.mark.parametrize("before", [(), (b"X-A: b",), (b"X-A: b", b"")], ids=["first", "second", "in the text"])
def test_an_odd_line_hides_no_virus(before: tuple[bytes, ...], line: bytes) -> None:
    raw = a_carrier(*before, line)
    if b"" in before:
        assert Kind.VIRUS not in kinds_in(raw)  # everyone reads a text
    else:
        assert Kind.VIRUS in kinds_in(raw)


@pytest.mark.parametrize("line", ODD_LINES, ids=repr)
def test_an_odd_line_in_a_part_hides_no_virus(line: bytes) -> None:
    raw = a_carrier().replace(b"--abc\r\n", b"--abc\r\n" + line + b"\r\n", 1)
    assert Kind.VIRUS in kinds_in(raw)


@pytest.mark.parametrize("raw", [b"", b"Subject: s\r\n", b"Subject: s", b"Subject: s\r\n\r\n", b"Subject: s\r\n\r\nx"])
def test_mail_without_text_or_without_end_is_not_ambiguous(raw: bytes) -> None:
    assert kinds_in(raw) == set()


def test_more_readings_than_are_looked_at_are_told() -> None:
    part = b"--abc\r\ngarbage\r\nContent-Type: text/plain\r\n\r\n%d\r\n"
    raw = a_carrier().replace(b"--abc\r\n", b"".join(part % number for number in range(200)) + b"--abc\r\n", 1)
    assert Kind.MIME_LIMIT in kinds_in(raw)


def test_several_readings_are_no_work_for_the_event_loop() -> None:
    raw = a_carrier(b"garbage")
    assert light(Content(raw, message=parse(raw)), Limits()) is None
    assert EICAR not in raw


FILES = {
    "a message with a uuencoded file too": a_carrier().replace(b"--abc--", b"begin 644 x\r\n`\r\nend\r\n--abc--"),
    "a message that ends as a zip": a_carrier() + b"PK\x05\x06" + b"\0" * 18,
    "a message that starts as a program": b"MZ: x\r\n" + a_carrier(),
    "a message that starts with its signature": a_carrier(b"DKIM-Signature: v=1"),
    "a message behind blank lines": b"\r\n\r\n" + a_carrier(),
}


@pytest.mark.parametrize("file", FILES.values(), ids=FILES)
def test_a_message_in_a_message_is_opened_whatever_else_it_may_be(file: bytes) -> None:
    kinds = kinds_in(specimens.a_message(attachments={"file": file}))
    assert Kind.VIRUS in kinds


def test_a_text_that_only_looks_like_a_message_is_not_ambiguous() -> None:
    settings = b"Subject: x\r\nMode: y\r\n- and more\r\nContent-Type: text/plain\r\nContent-Type: text/html\r\n"
    assert kinds_in(specimens.a_message(attachments={"settings.yaml": settings})) == set()

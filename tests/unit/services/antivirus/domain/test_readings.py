"""A virus that only some readers find is found, and mail on which readers differ is said to be ambiguous."""

from __future__ import annotations

from pathlib import Path

import pytest

from libs.mail.message import parse
from services.antivirus.domain.budget import ArchiveLimits
from services.antivirus.domain.content import ScanContent
from services.antivirus.domain.detections import DetectionKind
from services.antivirus.domain.inspection import inspect
from services.antivirus.domain.walk import light
from tests.specimens import antivirus as specimens
from tests.specimens.broken_mail import EICAR, ODD_LINES, a_carrier


def kinds_in(raw: bytes, limits: ArchiveLimits | None = None) -> set[DetectionKind]:
    return {seen.kind for seen in inspect(ScanContent(raw, message=parse(raw)), limits or ArchiveLimits()).detections}


@pytest.mark.parametrize("line", ODD_LINES, ids=repr)
@pytest.mark.parametrize("before", [(), (b"X-A: b",), (b"X-A: b", b"")], ids=["first", "second", "in the text"])
def test_an_odd_line_hides_no_virus(before: tuple[bytes, ...], line: bytes) -> None:
    raw = a_carrier(*before, line)
    if b"" in before:
        assert DetectionKind.VIRUS not in kinds_in(raw)  # everyone reads a text
    else:
        assert DetectionKind.VIRUS in kinds_in(raw)


@pytest.mark.parametrize("line", ODD_LINES, ids=repr)
def test_an_odd_line_in_a_part_hides_no_virus(line: bytes) -> None:
    raw = a_carrier().replace(b"--abc\r\n", b"--abc\r\n" + line + b"\r\n", 1)
    assert DetectionKind.VIRUS in kinds_in(raw)


@pytest.mark.parametrize("raw", [b"", b"Subject: s\r\n", b"Subject: s", b"Subject: s\r\n\r\n", b"Subject: s\r\n\r\nx"])
def test_mail_without_text_or_without_end_is_not_ambiguous(raw: bytes) -> None:
    assert kinds_in(raw) == set()


def test_more_readings_than_are_looked_at_are_told() -> None:
    part = b"--abc\r\ngarbage\r\nContent-Type: text/plain\r\n\r\n%d\r\n"
    raw = a_carrier().replace(b"--abc\r\n", b"".join(part % number for number in range(200)) + b"--abc\r\n", 1)
    assert DetectionKind.MIME_LIMIT in kinds_in(raw)


def test_several_readings_are_no_work_for_the_event_loop() -> None:
    raw = a_carrier(b"garbage")
    assert light(ScanContent(raw, message=parse(raw)), ArchiveLimits()) is None
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
    assert DetectionKind.VIRUS in kinds


def test_a_text_that_only_looks_like_a_message_is_not_ambiguous() -> None:
    settings = b"Subject: x\r\nMode: y\r\n- and more\r\nContent-Type: text/plain\r\nContent-Type: text/html\r\n"
    assert kinds_in(specimens.a_message(attachments={"settings.yaml": settings})) == set()


SPECIMENS = Path(__file__).parents[4] / "specimens/mail"
# What the specimen is, what must be seen in it.
EXPECTED: dict[str, set[DetectionKind]] = {
    "av-boundary-comment": {DetectionKind.VIRUS},
    "av-comment-before-encoding": {DetectionKind.VIRUS},
    "av-eml-arc-first": {DetectionKind.VIRUS},
    "av-eml-dkim-first": {DetectionKind.VIRUS},
    "av-header-gt-from-inside": {DetectionKind.VIRUS, DetectionKind.AMBIGUOUS_MIME},
    "av-header-line-without-colon": {DetectionKind.VIRUS, DetectionKind.AMBIGUOUS_MIME},
    "av-multipart-base64": {DetectionKind.VIRUS, DetectionKind.AMBIGUOUS_MIME},
    "av-part-header-garbage": {DetectionKind.VIRUS, DetectionKind.AMBIGUOUS_MIME},
    "av-two-filenames": {DetectionKind.DANGEROUS_NAME, DetectionKind.AMBIGUOUS_MIME},
    "encoding-7-bit-typo": set(),
    "encoding-8-bit-typo": set(),
}


@pytest.mark.parametrize(("name", "expected"), EXPECTED.items(), ids=EXPECTED)
def test_what_readers_take_in_different_ways_is_seen(name: str, expected: set[DetectionKind]) -> None:
    kinds = kinds_in((SPECIMENS / f"{name}.eml").read_bytes())
    assert kinds >= expected
    assert bool(kinds) == bool(expected)


@pytest.mark.parametrize(
    "encoding", ["7-bit", "8-bit", "7bits", "8Bits", "7 bit", "8bit;", "8_bit", "7bit.", "BINARY", "", " 8bit "]
)
def test_an_encoding_that_means_none_is_not_ambiguous(encoding: str) -> None:
    raw = f"Subject: s\r\nContent-Transfer-Encoding: {encoding}\r\n\r\nhello\r\n"
    assert kinds_in(raw.encode()) == set()


@pytest.mark.parametrize(
    "field",
    [
        'Content-Type: text/plain; charset=us-ascii (Plain text); name="report (1).pdf"',
        "Content-Type: text/plain; name=report (1).pdf",
        "Content-Type: text/plain; charset=utf-8; format=flowed;",
        "Content-Type: text/plain; name=\"=?utf-8?q?=C3=A9t=C3=A9.pdf?=\"; charset='utf-8'",
        "Content-Disposition: attachment; filename=\"ete.pdf\"; filename*=utf-8''%C3%A9t%C3%A9.pdf",
    ],
)
def test_what_honest_senders_write_is_not_ambiguous(field: str) -> None:
    assert kinds_in(f"Subject: s\r\n{field}\r\n\r\nhello\r\n".encode()) == set()


NAMES = {
    "two parameters": 'attachment; filename="a.txt"; filename="a.exe"',
    "plain and extended": "attachment; filename=\"a.exe\"; filename*=utf-8''a.txt",
    "extended and plain": "attachment; filename*=utf-8''a.exe; filename=\"a.txt\"",
    "continued twice": 'attachment; filename*0="a."; filename*1="txt"; filename*1="exe"',
    "two fields": "attachment; filename=a.txt\r\nContent-Disposition: attachment; filename=a.exe",
    "a comment": "attachment; filename=a.exe (note)",
    "no semicolon": "attachment filename=a.exe",
    "the end of a long name": f'attachment; filename="{"x" * 300}.exe"',
    "percents": 'attachment; filename="a%2Eexe"',
    "encoded words": 'attachment; filename="=?utf-8?q?a=2Ee?= =?utf-8?q?xe?="',
    "an open quote": 'attachment; filename="a.exe',
    "another name": "attachment; filename=a.txt\r\nContent-Type: application/octet-stream; name=a.exe",
}


@pytest.mark.parametrize("disposition", NAMES.values(), ids=NAMES)
def test_a_dangerous_name_is_seen_wherever_a_reader_may_find_it(disposition: str) -> None:
    raw = f"Subject: s\r\nContent-Disposition: {disposition}\r\n\r\nhello\r\n".encode()
    assert DetectionKind.DANGEROUS_NAME in kinds_in(raw)


def test_a_file_between_the_parts_is_found() -> None:
    raw = specimens.multipart(b"Content-Type: text/plain\r\n\r\nhello\r\n")
    file = specimens.uuencoded(EICAR, "a.com")
    assert DetectionKind.VIRUS in kinds_in(raw + b"\r\n" + file)
    assert DetectionKind.VIRUS in kinds_in(raw.replace(b"--limit\r\n", file + b"\r\n--limit\r\n", 1))

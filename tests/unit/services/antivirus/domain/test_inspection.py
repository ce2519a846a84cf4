"""What the built-in engine sees in specimens that are made on the spot."""

from __future__ import annotations

import random
import tracemalloc
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.mail.message import parse
from services.antivirus.domain.budget import ArchiveLimits
from services.antivirus.domain.content import ScanContent
from services.antivirus.domain.detections import Detection, DetectionKind
from services.antivirus.domain.inspection import Inspection, inspect
from services.antivirus.domain.walk import light
from tests.specimens import antivirus as specimens
from tests.specimens import office
from tests.specimens.antivirus import EICAR, a_message, a_part, multipart

EICAR_SEEN = Detection(DetectionKind.VIRUS, "Eicar-Test-Signature")


def seen_in(raw: bytes, limits: ArchiveLimits | None = None) -> Inspection:
    return inspect(ScanContent(raw, message=parse(raw)), limits or ArchiveLimits())


def kinds_in(raw: bytes, limits: ArchiveLimits | None = None) -> set[DetectionKind]:
    return {detection.kind for detection in seen_in(raw, limits).detections}


def attached(octets: bytes, name: str) -> bytes:
    return a_message(attachments={name: octets})


VIRUS_EVERYWHERE = {
    "as the text": a_message(EICAR),
    "with a footer behind it": a_message(b"Dear all,\r\n" + EICAR + b"\r\n-- \r\nMarie\r\n"),
    "in the preamble, which no part holds": a_message().replace(b"\r\n\r\n", b"\r\n\r\n" + EICAR + b"\r\n", 1),
    "as 8bit": multipart(a_part(EICAR, name="a.bin", encoding="8bit")),
    "as base64": multipart(a_part(EICAR, name="a.bin", encoding="base64")),
    "as quoted-printable": multipart(a_part(EICAR, name="a.bin", encoding="quoted-printable")),
    "uuencoded as an encoding": multipart(a_part(EICAR, name="a.bin", encoding="x-uuencode")),
    "uuencoded in the text": a_message(b"See below.\r\n" + specimens.uuencoded(EICAR, "x.com")),
    "stored in a zip": attached(specimens.zipped({"x": EICAR}, method=zipfile.ZIP_STORED), "a.zip"),
    "deflated in a zip": attached(specimens.zipped({"x": EICAR}), "a.zip"),
    "by bzip2 in a zip": attached(specimens.zipped({"x": EICAR}, method=zipfile.ZIP_BZIP2), "a.zip"),
    "by LZMA in a zip": attached(specimens.zipped({"x": EICAR}, method=zipfile.ZIP_LZMA), "a.zip"),
    "in a zip that is called a picture": attached(specimens.zipped({"x": EICAR}), "a.png"),
    "in a zip, not in its directory": attached(specimens.hidden_in_zip(EICAR), "a.zip"),
    "in a zip without a directory": attached(specimens.zipped({"x": EICAR}).partition(b"PK\1\2")[0], "a.zip"),
    "in a zip behind a program": attached(specimens.program() + specimens.zipped({"x": EICAR}), "setup.exe"),
    "in a zip64": attached(specimens.zip64({"x": EICAR}), "a.zip"),
    "in a zip64 written as a stream": attached(specimens.zip64({"x": EICAR}).partition(b"PK\1\2")[0], "a.zip"),
    "six zips deep": attached(specimens.nested_zip(EICAR, 6), "a.zip"),
    "in a tar": attached(specimens.tarred({"x": EICAR}), "a.tar"),
    "in a tar.gz": attached(specimens.tarred({"x": EICAR}, mode="gz"), "a.tgz"),
    "in a tar.bz2": attached(specimens.tarred({"x": EICAR}, mode="bz2"), "a.tbz"),
    "in a tar.xz": attached(specimens.tarred({"x": EICAR}, mode="xz"), "a.txz"),
    "by gzip": attached(specimens.compressed(EICAR, "gz"), "x.gz"),
    "by bzip2": attached(specimens.compressed(EICAR, "bz2"), "x.bz2"),
    "by xz": attached(specimens.compressed(EICAR, "xz"), "x.xz"),
    "in the second member of a gzip": attached(
        specimens.compressed(b"first", "gz") + specimens.compressed(EICAR, "gz"), "x.gz"
    ),
    "in winmail.dat": attached(specimens.tnef(EICAR, "x.com"), "winmail.dat"),
    "hidden behind another content in winmail.dat": attached(specimens.tnef(EICAR, "x", b"ok"), "winmail.dat"),
    "zipped in winmail.dat": attached(specimens.tnef(specimens.zipped({"x": EICAR}), "a.zip"), "winmail.dat"),
    "in a forwarded message": multipart(b"Content-Type: message/rfc822\r\n\r\n" + attached(EICAR, "x.com")),
    "in a message that is a file": attached(attached(EICAR, "x.com"), "mail.eml"),
    "in a message in a zip": attached(specimens.zipped({"mail.eml": attached(EICAR, "x.com")}), "a.zip"),
    "in an old document": attached(specimens.ole() + EICAR, "a.doc"),
}


@pytest.mark.parametrize("raw", VIRUS_EVERYWHERE.values(), ids=VIRUS_EVERYWHERE)
def test_a_virus_is_seen_wherever_it_stands(raw: bytes) -> None:
    assert EICAR_SEEN in seen_in(raw).detections


@pytest.mark.parametrize("levels", [1, 4])
@pytest.mark.parametrize("line_end", [b"\r\n", b"\n"])
def test_line_ends_do_not_matter(line_end: bytes, levels: int) -> None:
    raw = attached(specimens.nested_zip(EICAR, levels), "a.zip").replace(b"\r\n", line_end)
    assert EICAR_SEEN in seen_in(raw).detections


FINDINGS = {
    "20 zips deep": (attached(specimens.nested_zip(b"x", 20), "a.zip"), DetectionKind.ARCHIVE_LIMIT),
    "60 gzips deep, for all we can know endless": (
        attached(specimens.endless_gzip(), "a.gz"),
        DetectionKind.ARCHIVE_LIMIT,
    ),
    "1 GB of zeros": (attached(specimens.zeros_zip(2**30), "a.zip"), DetectionKind.ARCHIVE_LIMIT),
    "overlapping entries": (attached(specimens.overlapping_zip(500, size=2**23), "a.zip"), DetectionKind.ARCHIVE_LIMIT),
    "20,000 entries": (attached(specimens.overlapping_zip(20_000, size=0), "a.zip"), DetectionKind.ARCHIVE_LIMIT),
    "an encrypted zip": (attached(specimens.encrypted_zip("a.txt"), "a.zip"), DetectionKind.ENCRYPTED),
    "an encrypted document": (attached(specimens.ole("EncryptedPackage"), "a.docx"), DetectionKind.ENCRYPTED),
    "a cut-off zip": (
        attached(specimens.zipped({"a": random.Random(1).randbytes(999)})[:500], "a.zip"),
        DetectionKind.UNREADABLE_ARCHIVE,
    ),
    "a cut-off gzip": (
        attached(specimens.compressed(b"hello" * 99, "gz")[:-12], "a.gz"),
        DetectionKind.UNREADABLE_ARCHIVE,
    ),
    "a damaged tar": (
        attached(
            specimens.tarred({"a": b"x"}).replace(b"ustar", b"ustar", 1)[:150]
            + b"9"
            + specimens.tarred({"a": b"x"})[151:],
            "a.tar",
        ),
        DetectionKind.UNREADABLE_ARCHIVE,
    ),
    "a cut-off winmail.dat": (
        attached(specimens.tnef(b"x" * 99, "a")[:-50], "winmail.dat"),
        DetectionKind.UNREADABLE_ARCHIVE,
    ),
    "a RAR": (attached(b"Rar!\x1a\x07\x01\0" + b"x" * 50, "a.rar"), DetectionKind.CLOSED_ARCHIVE),
    "a 7z": (attached(b"7z\xbc\xaf\x27\x1c" + b"x" * 50, "a.7z"), DetectionKind.CLOSED_ARCHIVE),
    "a CAB": (attached(b"MSCF\0\0\0\0" + b"x" * 50, "a.cab"), DetectionKind.CLOSED_ARCHIVE),
    "macros in a .docm": (attached(specimens.zipped({"word/vbaProject.bin": b"x"}), "a.docm"), DetectionKind.MACRO),
    "macros in a .doc": (attached(specimens.ole("_VBA_PROJECT"), "a.doc"), DetectionKind.MACRO),
    "Excel 4 macros": (attached(specimens.zipped({"xl/macrosheets/sheet1.xml": b"x"}), "a.xlsm"), DetectionKind.MACRO),
    "a program": (attached(specimens.program(), "setup.exe"), DetectionKind.EXECUTABLE),
    "a program without a name": (
        multipart(b"Content-Type: application/x\r\n\r\n" + specimens.program()),
        DetectionKind.EXECUTABLE,
    ),
    "a program called a document": (attached(specimens.program(), "invoice.pdf"), DetectionKind.DISGUISED),
    "a program that says it is a picture": (
        a_message(attachments={"x": specimens.program()}, type="image/png"),
        DetectionKind.DISGUISED,
    ),
    "a double extension in a zip": (
        attached(specimens.zipped({"invoice.pdf.js": b"x"}), "a.zip"),
        DetectionKind.DOUBLE_EXTENSION,
    ),
    "a double extension behind a password": (
        attached(specimens.encrypted_zip("cv.doc.exe"), "a.zip"),
        DetectionKind.DOUBLE_EXTENSION,
    ),
    "a name that is read from right to left": (
        a_message().replace(b"text/plain;", b"text/plain; name*=utf-8''annexe%E2%80%AEfdp.exe;"),
        DetectionKind.REVERSED_NAME,
    ),
    "a script": (attached(b"WScript.Echo 1", "run.vbs"), DetectionKind.DANGEROUS_NAME),
    "a slice of a message": (
        specimens.HEADERS + b'Content-Type: message/partial; id="1"; number=1\r\n\r\nx',
        DetectionKind.PARTIAL,
    ),
    "101 levels of MIME": (specimens.deep_mime(101), DetectionKind.MIME_LIMIT),
    "10,000 levels of MIME": (specimens.deep_mime(10_000), DetectionKind.MIME_LIMIT),
    "too many parts": (multipart(*[b"\r\nx"] * 1_001), DetectionKind.MIME_LIMIT),
    "two content types": (
        multipart(b"Content-Type: text/plain\r\nContent-Type: application/zip\r\n\r\nx"),
        DetectionKind.AMBIGUOUS_MIME,
    ),
    "no boundary": (
        specimens.HEADERS + b"Content-Type: multipart/mixed\r\n\r\n--a\r\n\r\nx",
        DetectionKind.AMBIGUOUS_MIME,
    ),
    "an unknown encoding": (multipart(a_part(b"x", name="a", encoding="rot13")), DetectionKind.AMBIGUOUS_MIME),
}


@pytest.mark.parametrize(("raw", "kind"), FINDINGS.values(), ids=FINDINGS)
def test_what_is_dangerous_or_cannot_be_read_is_a_sighting(raw: bytes, kind: DetectionKind) -> None:
    assert kind in kinds_in(raw)


CLEAN = {
    "a text": a_message(),
    "a text without MIME": b"From: a@example.com\r\nSubject: x\r\n\r\nHello.\r\n",
    "a PDF": attached(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "report.pdf"),
    "a zip of texts": attached(specimens.zipped({"a.txt": b"x" * 9999, "b/": b"", "b/c.csv": b"1;2"}), "a.zip"),
    "a zip that was written as a stream": attached(specimens.streamed_zip({"a.txt": b"hello" * 99}), "a.zip"),
    "a zip64": attached(specimens.zip64({"a.txt": b"hello" * 99}), "a.zip"),
    "a stored zip in a zip": attached(specimens.zipped({"a.zip": specimens.zipped({"a": b"x"})}, method=0), "a.zip"),
    "a tar.gz": attached(specimens.tarred({"a.txt": b"x" * 9999}, mode="gz"), "a.tar.gz"),
    "a document without macros": attached(specimens.zipped({"word/document.xml": b"<x/>"}), "a.docx"),
    "a forwarded message": multipart(b"Content-Type: message/rfc822\r\n\r\n" + attached(b"x", "a.pdf")),
    "a text that quotes a message": a_message(b"From: a@example.com\r\nSubject: x\r\n\r\nHello.\r\n"),
    "a text about the letters MZ": a_message(b"MZ is how programs start.\r\n"),
    "4 MB of zeros, which honest files hold": attached(specimens.zeros_zip(4 * 2**20), "image.zip"),
    "nothing at all": b"",
}  # fmt: skip


@pytest.mark.parametrize("raw", CLEAN.values(), ids=CLEAN)
def test_honest_mail_shows_nothing(raw: bytes) -> None:
    assert not seen_in(raw).detections


def test_a_file_that_is_no_message_is_looked_at_as_it_stands() -> None:
    archive = ScanContent(specimens.nested_zip(EICAR, 2))
    assert EICAR_SEEN in inspect(archive, ArchiveLimits()).detections


def test_behind_a_bomb_the_rest_of_the_message_is_still_looked_at() -> None:
    raw = a_message(attachments={"a.zip": specimens.zeros_zip(2**28), "x.com": EICAR})
    assert {DetectionKind.ARCHIVE_LIMIT, DetectionKind.VIRUS} <= kinds_in(raw)


def test_a_bomb_takes_little_memory() -> None:
    raw = attached(specimens.zeros_zip(2**30), "a.zip")
    tracemalloc.start()
    seen_in(raw)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 64 * 2**20


def test_time_is_a_limit_too() -> None:
    ticks = iter(range(1_000_000))
    raw = attached(specimens.zipped({str(n): b"x" for n in range(50)}), "a.zip")
    seen = inspect(ScanContent(raw, message=parse(raw)), ArchiveLimits(seconds=20), clock=lambda: next(ticks))
    assert [detection.kind for detection in seen.detections] == [DetectionKind.ARCHIVE_LIMIT]


def test_only_attachments_are_counted_and_everything_inside_them_is_looked_up() -> None:
    raw = a_message(attachments={"a.zip": specimens.zipped({"b.txt": b"inner"}), "c.pdf": b"%PDF"})
    seen = seen_in(raw)
    assert len(seen.attachments) == 2
    assert len(seen.digests) == 3


def test_a_message_without_archives_is_light_work() -> None:
    raw = a_message(attachments={"a.pdf": b"%PDF"})
    found = light(ScanContent(raw, message=parse(raw)), ArchiveLimits())
    assert [content.name for content in found or () if isinstance(content, ScanContent)] == ["", "", "a.pdf"]


def test_an_archive_is_heavy_work() -> None:
    raw = attached(specimens.zipped({"a": b"x"}), "a.zip")
    assert light(ScanContent(raw, message=parse(raw)), ArchiveLimits()) is None


ARCHIVES = [
    specimens.zipped({"a": b"hello" * 50, "b": b"x"}),
    specimens.zipped({"a": b"hello" * 50}, method=zipfile.ZIP_LZMA),
    specimens.zipped({"a": b"hello" * 50}, method=zipfile.ZIP_BZIP2),
    specimens.streamed_zip({"a": b"hello"}),
    specimens.tarred({"a": b"hello" * 50}),
    specimens.tarred({"a": b"hello" * 50}, mode="xz"),
    specimens.compressed(b"hello" * 50, "gz"),
    specimens.compressed(b"hello" * 50, "bz2"),
    specimens.tnef(b"hello", "a.txt"),
    specimens.uuencoded(b"hello" * 50, "a.txt"),
    attached(b"x", "a.pdf"),
]


@given(st.sampled_from(ARCHIVES), st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), max_size=8))
def test_no_damage_makes_it_fail(archive: bytes, changes: list[tuple[int, int]]) -> None:
    octets = bytearray(archive)
    for at, value in changes:
        octets[at % len(octets)] = value
    inspect(ScanContent(bytes(octets)), ArchiveLimits(expanded_bytes=2**20))


WRAPPERS = {
    "zip": lambda octets: specimens.zipped({"x": octets}),
    "stored zip": lambda octets: specimens.zipped({"x": octets}, method=zipfile.ZIP_STORED),
    "zip64": lambda octets: specimens.zip64({"x": octets}),
    "zip without a directory": lambda octets: specimens.zipped({"x": octets}).partition(b"PK\1\2")[0],
    "tar": lambda octets: specimens.tarred({"x": octets}),
    "tar.xz": lambda octets: specimens.tarred({"x": octets}, mode="xz"),
    "gzip": lambda octets: specimens.compressed(octets, "gz"),
    "bzip2": lambda octets: specimens.compressed(octets, "bz2"),
    "winmail.dat": lambda octets: specimens.tnef(octets, "x"),
    "document": lambda octets: office.dropped(octets, "x"),
    "message": lambda octets: attached(octets, "x"),
    "uuencoded": lambda octets: specimens.uuencoded(octets, "x"),
}


@settings(deadline=None, max_examples=60)
@given(st.lists(st.sampled_from(sorted(WRAPPERS)), max_size=4))
def test_whatever_is_in_whatever_a_virus_is_seen(wrappers: list[str]) -> None:
    octets = EICAR
    for wrapper in wrappers:
        octets = WRAPPERS[wrapper](octets)
    assert EICAR_SEEN in inspect(ScanContent(octets), ArchiveLimits()).detections

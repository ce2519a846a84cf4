"""Office documents: what starts by itself, what is loaded from elsewhere, what is behind a password."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.antivirus.domain.budget import ArchiveLimits, ScanBudget
from services.antivirus.domain.content import ScanContent
from services.antivirus.domain.detections import DetectionKind
from services.antivirus.domain.inspection import inspect
from services.antivirus.domain.vba_source import expand_container
from services.antivirus.domain.walk import walk
from tests.specimens import office
from tests.specimens.antivirus import EICAR, program, zipped


def kinds_in(octets: bytes, name: str = "document") -> set[DetectionKind]:
    return {seen.kind for seen in inspect(ScanContent(octets, name), ArchiveLimits()).detections}


MACRO, AUTO = {DetectionKind.MACRO}, {DetectionKind.MACRO, DetectionKind.AUTO_MACRO}
FIELD = {"word/document.xml": office.field("DDE", "AUTO c:\\\\windows\\\\system32\\\\calc.exe")}
SEEN = {
    "a .doc with a macro": (office.old_word(office.BY_HAND), MACRO),
    "a .doc whose macro starts by itself": (office.old_word(office.AUTO_OPEN), AUTO),
    "a .docm with a macro": (office.word({"word/vbaProject.bin": office.vba_project(office.BY_HAND)}), MACRO),
    "a .docm whose macro starts by itself": (
        office.word({"word/vbaProject.bin": office.vba_project(office.AUTO_OPEN)}),
        AUTO,
    ),
    "a macro whose source was taken out": (office.vba_project(b"", names=b"\x08AutoOpen\xff"), AUTO),
    "an .xls with Excel 4 macros": (office.old_excel(office.MACRO_SHEET), MACRO),
    "an .xls whose Excel 4 macros start by themselves": (
        office.old_excel(office.MACRO_SHEET, office.AUTO_OPEN_NAME),
        AUTO,
    ),
    "an .xlsm whose Excel 4 macros start by themselves": (
        zipped({"xl/macrosheets/sheet1.xml": b"<x/>", "xl/workbook.xml": b'<definedName name="_xlnm.Auto_Open">'}),
        AUTO,
    ),
    "an .xlsb whose Excel 4 macros start by themselves": (
        zipped({"xl/macrosheets/sheet1.bin": b"x", "xl/workbook.bin": "_xlnm.Auto_Open".encode("utf-16-le")}),
        AUTO,
    ),
    "an .xls behind a password": (office.old_excel(office.PASSWORD), {DetectionKind.ENCRYPTED}),
    "a .doc behind a password": (
        office.compound_file({"WordDocument": b"\xec\xa5" + b"\0" * 9 + b"\x01" + b"\0" * 99}),
        {DetectionKind.ENCRYPTED},
    ),
    "a .docx behind a password": (office.compound_file({"EncryptedPackage": b"noise" * 99}), {DetectionKind.ENCRYPTED}),
    "a field that starts a program, in pieces": (office.word(FIELD), {DetectionKind.OFFICE_LINK}),
    "a simple field that starts a program": (
        office.word({"word/document.xml": b'<w:fldSimple w:instr=" DDE cmd x"/>'}),
        {DetectionKind.OFFICE_LINK},
    ),
    "a .doc with a field that starts a program": (
        office.compound_file({"WordDocument": b"\xec\xa5" + b"\0" * 99 + b"\x13 DDEAUTO cmd"}),
        {DetectionKind.OFFICE_LINK},
    ),
    "a table that asks a program": (
        zipped({"xl/externalLinks/externalLink1.xml": b"<ddeLink/>"}),
        {DetectionKind.OFFICE_LINK},
    ),
    "links by the million": (
        office.word({"word/_rels/document.xml.rels": b"<Relationship/>" * 600_000}),
        {DetectionKind.OFFICE_LINK},
    ),
    "a dropped program": (office.dropped(program(), "photo.jpg"), {DetectionKind.DISGUISED}),
    "a damaged document": (office.old_word(office.BY_HAND)[:100], {DetectionKind.UNREADABLE_ARCHIVE}),
    "a document without macros": (office.word(), set()),
    "an .xls without macros": (office.old_excel((0x0085, struct.pack("<IBBBB", 0, 0, 0, 5, 0) + b"Sheet")), set()),
    "a table of contents, which is a field": (office.word({"word/document.xml": office.field("TOC \\o")}), set()),
    "a dropped text": (office.dropped(b"hello", "notes.txt"), set()),
}


@pytest.mark.parametrize(("octets", "kinds"), SEEN.values(), ids=SEEN)
def test_what_a_document_holds_is_seen(octets: bytes, kinds: set[DetectionKind]) -> None:
    assert kinds_in(octets) == kinds


TARGETS = [
    ("attachedTemplate", "https://evil.example/t.dotm", True),
    ("attachedTemplate", "&#104;ttp://evil.example/t.dotm", True),
    ("attachedTemplate", "\\\\evil.example\\share\\t.dotm", True),
    ("attachedTemplate", "file://evil.example/share/t.dotm", True),
    ("oleObject", "mhtml:http://evil.example/x.html!x-usc:http://evil.example/x.html", True),
    ("frame", "http://evil.example/", True),
    ("attachedTemplate", "file:///C:\\Users\\marie\\Normal.dotm", False),
    ("oleObject", "file:///C:\\Users\\marie\\table.xlsx", False),
    ("hyperlink", "https://www.example.org/", False),
    ("image", "https://www.example.org/logo.png", False),
]


@pytest.mark.parametrize(("kind", "target", "seen"), TARGETS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_what_is_loaded_from_another_host_is_seen(kind: str, target: str, seen: bool, encoding: str) -> None:
    links = office.relationship(kind, target).decode().encode(encoding)
    document = office.word({"word/_rels/settings.xml.rels": links})
    assert kinds_in(document) == ({DetectionKind.OFFICE_LINK} if seen else set())


def test_the_text_of_macros_and_every_stream_are_contents_of_their_own() -> None:
    document = office.word({"word/vbaProject.bin": office.vba_project(office.AUTO_OPEN * 90)})
    found = [
        found for found in walk(ScanContent(document), ScanBudget(ArchiveLimits())) if isinstance(found, ScanContent)
    ]
    assert ("Module1", office.AUTO_OPEN * 90) in [(content.name, content.octets) for content in found]


def test_a_virus_in_a_stream_of_many_pieces_is_found() -> None:
    """A stream whose sectors do not stand in their order holds nothing that a search of the file would find."""
    document = bytearray(office.compound_file({"Data": b"x" * 480 + EICAR + b"y" * 5000}))
    first, second = bytes(document[512:1024]), bytes(document[1024:1536])
    document[512:1024], document[1024:1536] = second, first
    fat = document.find(struct.pack("<III", 1, 2, 3), 1536)
    document[fat : fat + 8] = struct.pack("<II", 2, 0)
    entry = document.find("Data".encode("utf-16-le"))
    document[entry + 116 : entry + 120] = struct.pack("<I", 1)
    assert EICAR not in document
    assert DetectionKind.VIRUS in kinds_in(bytes(document))


def test_compressed_macro_text_is_expanded_as_the_specification_shows() -> None:
    container = bytes.fromhex(
        "012FB000236161616263646582660070616768696A013808616B6C00306D6E6F700671027004107273747576107778797A003C"
    )
    expected = b"#aaabcdefaaaaghijaaaaaklaaamnopqaaaaaaaaaaaarstuvwxyzaaa"  # MS-OVBA 3.2.2
    assert expand_container(container, 0, ScanBudget(ArchiveLimits())) == (expected, len(container))


DOCUMENTS = [
    office.old_word(office.AUTO_OPEN),
    office.vba_project(office.AUTO_OPEN),
    office.old_excel(office.MACRO_SHEET, office.AUTO_OPEN_NAME),
    office.dropped(program(), "a.exe"),
    office.compound_file({str(n): bytes([n]) * (n * 700) for n in range(9)}),
]


@given(st.sampled_from(DOCUMENTS), st.lists(st.tuples(st.integers(0, 9000), st.integers(0, 255)), max_size=12))
def test_no_damage_makes_a_document_fail_or_spend_more_than_it_may(
    document: bytes, changes: list[tuple[int, int]]
) -> None:
    octets = bytearray(document)
    for at, value in changes:
        octets[at % len(octets)] = value
    limits = ArchiveLimits(expanded_bytes=2**20)
    found = walk(ScanContent(bytes(octets)), ScanBudget(limits))
    assert sum(len(content.octets) for content in found if isinstance(content, ScanContent)) < 2 * 2**20


@given(st.binary(max_size=2000), st.binary(max_size=600))
def test_no_octets_behind_the_mark_of_a_compound_file_make_it_fail(header: bytes, rest: bytes) -> None:
    inspect(
        ScanContent(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + header + b"\0Attribut" + rest),
        ArchiveLimits(expanded_bytes=2**20),
    )

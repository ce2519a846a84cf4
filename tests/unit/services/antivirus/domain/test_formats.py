"""What unpackers open is opened, or said to be closed: archives of many systems, documents that hold files."""

from __future__ import annotations

import lzma
import struct
import zlib
from pathlib import Path

import pytest

from libs.mail.message import parse
from services.antivirus.domain.budget import ArchiveLimits
from services.antivirus.domain.containers.mapi import decompressed_rtf
from services.antivirus.domain.content import ScanContent
from services.antivirus.domain.detections import Detection, DetectionKind
from services.antivirus.domain.file_formats import FileFormat, file_format_of
from services.antivirus.domain.inspection import inspect
from tests.specimens import antivirus as specimens
from tests.specimens import formats
from tests.specimens.antivirus import EICAR

CASES = Path(__file__).parents[4] / "specimens/antivirus_cases"


def seen_in(octets: bytes, name: str = "file") -> list[Detection]:
    return list(inspect(ScanContent(octets, name), ArchiveLimits()).detections)


def kinds_in(octets: bytes, name: str = "file") -> set[DetectionKind]:
    return {each.kind for each in seen_in(octets, name)}


EXPECTED = {
    "av-lzh-program": {DetectionKind.CLOSED_ARCHIVE},
    "av-lzma-alone": {DetectionKind.VIRUS},
    "av-name-appinstaller": {DetectionKind.DANGEROUS_NAME},
    "av-name-iqy": {DetectionKind.DANGEROUS_NAME},
    "av-tar-pax-long-name": {DetectionKind.DANGEROUS_NAME},
    "av-tar-v7": {DetectionKind.VIRUS},
    "av-tnef-long-name": {DetectionKind.DANGEROUS_NAME},
    "av-zip64-honest": set(),
}


@pytest.mark.parametrize(("name", "kinds"), EXPECTED.items(), ids=EXPECTED)
def test_a_case_of_other_systems_is_seen(name: str, kinds: set[DetectionKind]) -> None:
    raw = (CASES / f"{name}.eml").read_bytes()
    seen = {each.kind for each in inspect(ScanContent(raw, message=parse(raw)), ArchiveLimits()).detections}
    assert kinds <= seen
    assert kinds or not seen


# Everything here holds EICAR, made as the tools of the format make it.
OPENED: dict[str, tuple[bytes, FileFormat]] = {
    "tar of Unix version 7": (formats.tar(EICAR, "v7"), FileFormat.TAR),
    "tar of GNU": (formats.tar(EICAR, "gnu"), FileFormat.TAR),
    "tar of POSIX with a long name": (formats.tar(EICAR, "pax", name="d/" * 90 + "a"), FileFormat.TAR),
    "lzma": (lzma.compress(EICAR, lzma.FORMAT_ALONE), FileFormat.LZMA),
    "lzip": (formats.lzip(EICAR), FileFormat.LZIP),
    "lzip of two members": (formats.lzip(EICAR[:30]) + formats.lzip(EICAR[30:]), FileFormat.LZIP),
    "ar": (formats.ar({"a.o/": EICAR}), FileFormat.AR),
    "ar of BSD": (formats.ar({"#1/12": b"a long name\0" + EICAR}), FileFormat.AR),
    "deb": (
        formats.ar({"debian-binary": b"2.0\n", "data.tar.xz": specimens.tarred({"x": EICAR}, mode="xz")}),
        FileFormat.AR,
    ),
    "cpio": (formats.cpio({"a": b"x", "dir/b": EICAR}), FileFormat.CPIO),
    "old cpio": (formats.old_cpio({"a": b"odd", "b": EICAR}), FileFormat.CPIO),
    "RPM": (formats.rpm(lzma.compress(formats.cpio({"usr/bin/x": EICAR}))), FileFormat.RPM),
    "PDF": (formats.pdf(zlib.compress(EICAR), b"/FlateDecode"), FileFormat.PDF),
    "PDF with a written-out filter": (formats.pdf(zlib.compress(EICAR), b"/Fl#61teDecode"), FileFormat.PDF),
    "PDF without a zlib header": (formats.pdf(zlib.compress(EICAR)[2:], b"/FlateDecode"), FileFormat.PDF),
    "PDF with two filters": (formats.pdf(zlib.compress(EICAR).hex().encode() + b">", b"[/AHx /Fl]"), FileFormat.PDF),
    "PDF in base 85": (formats.pdf(formats.ascii85(EICAR), b"/ASCII85Decode"), FileFormat.PDF),
    "PDF in LZW": (formats.pdf(formats.lzw(EICAR * 300), b"/LZWDecode"), FileFormat.PDF),
    "PDF in run lengths": (formats.pdf(bytes([len(EICAR) - 1]) + EICAR + b"\x80", b"/RunLengthDecode"), FileFormat.PDF),
    "PDF behind junk": (b"\r\n" * 300 + formats.pdf(zlib.compress(EICAR), b"/FlateDecode"), FileFormat.PDF),
    "PDF that is cut off": (formats.pdf(zlib.compress(EICAR), b"/Fl").partition(b"endstream")[0], FileFormat.PDF),
    "RTF with an object": (formats.rtf(EICAR), FileFormat.RTF),
    "RTF with words between the digits": (formats.rtf(EICAR, between=b"\r\n{\\*\\x1 }"), FileFormat.RTF),
    "OneNote": (formats.onenote(EICAR), FileFormat.ONENOTE),
    "TNEF with an object": (formats.tnef_object(specimens.zipped({"x": EICAR})), FileFormat.TNEF),
    "TNEF with RTF": (formats.tnef_rtf(b"{\\rtf1 " + EICAR + b"}"), FileFormat.TNEF),
}  # fmt: skip


@pytest.mark.parametrize(("octets", "form"), OPENED.values(), ids=OPENED)
def test_what_unpackers_open_is_opened(octets: bytes, form: FileFormat) -> None:
    assert file_format_of(octets) is form
    assert DetectionKind.VIRUS in kinds_in(octets)


@pytest.mark.parametrize(("octets", "form"), OPENED.values(), ids=OPENED)
def test_damage_raises_nothing_at_any_place(octets: bytes, form: FileFormat) -> None:
    for cut in {*range(0, len(octets), max(len(octets) // 40, 1)), len(octets) - 1}:
        seen_in(octets[:cut])
        seen_in(octets[:cut] + b"\xff" * 8 + octets[cut + 8 :])


CLOSED = {
    "LZH": b"\x25\x4b-lh5-" + b"\0" * 40,
    "LZH without compression": b"\x25\x4b-lhd-" + b"\0" * 40,
    "PMarc": b"\x25\x4b-pm2-" + b"\0" * 40,
    "ACE": b"\x31\x4e\x31\0\0\0\x90**ACE**" + b"\0" * 20,
    "ARJ": b"\x60\xea\x2b\0" + b"\0" * 40,
    "EGG": b"EGGA\0\x01" + b"\0" * 20,
    "ALZ": b"ALZ\x01\x0a\0" + b"\0" * 20,
    "xar": b"xar!\0\x1c\0\x01" + b"\0" * 40,
    "LZ4": b"\x04\x22\x4d\x18\x64\x40\xa7" + b"\0" * 10,
    "Zstandard": b"\x28\xb5\x2f\xfd\x24\x41" + b"\0" * 10,
    "Zstandard behind a skippable frame": b"\x50\x2a\x4d\x18\x04\0\0\0abcd\x28\xb5\x2f\xfd",
    "compress": b"\x1f\x9d\x90" + b"\0" * 10,
    "an image of a CD": b"\0" * 0x8001 + b"CD001\x01" + b"\0" * 2048,
    "an image of UDF": b"\0" * 0x8001 + b"BEA01\x01" + b"\0" * 2048,
    "a DMG": b"x" * 4000 + b"koly" + b"\0" * 508,
    "a VHD": b"x" * 4096 + b"conectix" + b"\0" * 504,
    "a VHDX": b"vhdxfile" + b"\0" * 512,
    "a WIM": b"MSWIM\0\0\0" + b"\0" * 200,
    "a CAB": b"MSCF\0\0\0\0" + b"\0" * 60,
    "RAR": b"Rar!\x1a\x07\0" + b"\0" * 20,
    "7z": b"7z\xbc\xaf\x27\x1c\0\x04" + b"\0" * 24,
    "a CHM": b"ITSF\x03\0\0\0" + b"\0" * 90,
    "StuffIt": b"SIT!\0\x01" + b"\0" * 30,
    "BinHex": b"(This file must be converted with BinHex 4.0)\r\n:$f*TEQKPH#\r\n",
}


@pytest.mark.parametrize("octets", CLOSED.values(), ids=CLOSED)
def test_what_is_not_opened_is_called_closed_whatever_its_name(octets: bytes) -> None:
    assert kinds_in(octets, "notes.txt") == {DetectionKind.CLOSED_ARCHIVE}


HONEST = {
    "a text": b"Bonjour,\r\n\r\nvoici la suite.\r\n" * 50,
    "a text of spaces": b" " * 600,
    "a text with brackets": b"] a list\r\n" * 100,
    "a PDF": formats.pdf(zlib.compress(b"BT (Hello) Tj ET"), b"/FlateDecode"),
    "a PDF with a picture": formats.pdf(b"\xff\xd8\xff\xe0 no real picture", b"/DCTDecode"),
    "an RTF": b"{\\rtf1\\ansi Bonjour}",
    "zeros": b"\0" * 70_000,
    "a zip64": specimens.zip64({"a.txt": b"x" * 100}),
}


@pytest.mark.parametrize("octets", HONEST.values(), ids=HONEST)
def test_honest_files_get_no_warning(octets: bytes) -> None:
    assert seen_in(octets) == []


def test_the_names_of_files_in_a_pdf_are_looked_at() -> None:
    named = formats.pdf(b"x", b"", more=b"<</Type /Filespec /F (r\\351sum\\\\e.pdf.exe) /UF <FEFF0061002E006A0073>>>")
    assert kinds_in(named) == {DetectionKind.DOUBLE_EXTENSION, DetectionKind.DANGEROUS_NAME}
    packed = formats.pdf(zlib.compress(b"<</F (setup.msi)>>"), b"/FlateDecode")
    assert kinds_in(packed) == {DetectionKind.DANGEROUS_NAME}


@pytest.mark.parametrize("key", [b"/Encrypt 5 0 R", b"/Encryp#74 5 0 R", b"/#45ncrypt<<>>"])
def test_a_pdf_that_needs_a_password_is_told(key: bytes) -> None:
    assert kinds_in(formats.pdf(zlib.compress(b"x"), b"/FlateDecode", more=key)) == {DetectionKind.ENCRYPTED}


def test_a_stream_of_a_pdf_that_cannot_be_unpacked_is_told() -> None:
    assert kinds_in(formats.pdf(b"not deflated at all", b"/FlateDecode")) == {DetectionKind.UNREADABLE_ARCHIVE}


def test_a_pdf_bomb_ends_at_the_limit() -> None:
    bomb = zlib.compress(zlib.compress(b"\0" * 300_000_000))
    seen = inspect(ScanContent(formats.pdf(bomb, b"[/FlateDecode /FlateDecode]"), "a.pdf"), ArchiveLimits())
    assert DetectionKind.ARCHIVE_LIMIT in {each.kind for each in seen.detections}


def test_every_name_of_a_tar_member_is_whole() -> None:
    for form in ("ustar", "gnu", "pax"):
        name = "a" * 90 + "/" + "b" * 60 + ".settingcontent-ms"
        assert kinds_in(formats.tar(b"x", form, name=name)) == {DetectionKind.DANGEROUS_NAME}, form


def test_a_member_whose_size_readers_take_in_two_ways_is_looked_at_in_both() -> None:
    octets = formats.tar_with_two_sizes(EICAR)
    assert kinds_in(octets) == {DetectionKind.VIRUS, DetectionKind.UNREADABLE_ARCHIVE}


def test_the_name_that_outlook_shows_counts_and_so_does_the_short_one() -> None:
    assert kinds_in(formats.tnef_named("INVOIC~1.DAT", long="invoice.iqy")) == {DetectionKind.DANGEROUS_NAME}
    assert kinds_in(formats.tnef_named("RUN.JS", long="notes.txt")) == {DetectionKind.DANGEROUS_NAME}
    assert kinds_in(formats.tnef_named("A.TXT", long="a.txt")) == set()


def test_the_compressed_rtf_of_the_specification_is_read() -> None:
    """MS-OXRTFCP 3.1, the example."""
    packed = bytes.fromhex(
        "2d0000002b0000004c5a4675f1c5c7a703000a007263706731323542320af32068656c090020627705b06c647d0a800fa0"
    )
    assert decompressed_rtf(packed, 1000) == b"{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n"
    assert decompressed_rtf(packed, 5) == b"{\\rtf"


def test_rtf_that_refers_to_itself_ends() -> None:
    endless = struct.pack("<IIII", 0, 0, 0x75465A4C, 0) + b"\xff" + b"\x00\x0f" * 8
    assert len(decompressed_rtf(endless * 100, 1000)) <= 1000

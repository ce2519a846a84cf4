"""Archives that are not opened here: whether a password is needed."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.antivirus.domain.closed_archives import closed_archive_detection
from services.antivirus.domain.detections import DetectionKind

RAR_4, RAR_5, SEVEN_ZIP = b"Rar!\x1a\x07\x00", b"Rar!\x1a\x07\x01\x00", b"7z\xbc\xaf\x27\x1c"


def rar_4(*blocks: tuple[int, int, bytes]) -> bytes:
    """Blocks of (type, flags, octets that follow)."""
    out = RAR_4
    for kind, flags, octets in blocks:
        size = 11 if kind == 0x74 else 13
        out += struct.pack("<HBHHI", 0, kind, flags, size, len(octets)) + b"\0" * (size - 11) + octets
    return out


def rar_5(*blocks: tuple[int, bytes]) -> bytes:
    """Blocks of (type, extra area), without octets behind them."""
    out = RAR_5
    for kind, extra in blocks:
        rest = bytes([kind, 1, len(extra)]) + b"f" * 5 + extra
        out += b"\0" * 4 + bytes([len(rest)]) + rest
    return out


CASES = {
    "RAR 4": (rar_4((0x73, 0, b""), (0x74, 0x8000, b"noise")), DetectionKind.CLOSED_ARCHIVE),
    "RAR 4 with names behind a password": (rar_4((0x73, 0x0080, b"")), DetectionKind.ENCRYPTED),
    "RAR 4 with its second file behind a password": (
        rar_4((0x73, 0, b""), (0x74, 0x8000, b"noise"), (0x74, 0x8004, b"noise")),
        DetectionKind.ENCRYPTED,
    ),
    "RAR 5": (rar_5((1, b""), (2, b"\x02\x02x")), DetectionKind.CLOSED_ARCHIVE),
    "RAR 5 with names behind a password": (rar_5((4, b"")), DetectionKind.ENCRYPTED),
    "RAR 5 with a file behind a password": (rar_5((1, b""), (2, b"\x02\x02x\x03\x01xx")), DetectionKind.ENCRYPTED),
    "7z": (SEVEN_ZIP + b"noise" * 99, DetectionKind.CLOSED_ARCHIVE),
    "7z behind a password": (SEVEN_ZIP + b"noise" * 99 + b"\x06\xf1\x07\x01", DetectionKind.ENCRYPTED),
    "CAB": (b"MSCF\0\0\0\0noise", DetectionKind.CLOSED_ARCHIVE),
}


@pytest.mark.parametrize(("octets", "kind"), CASES.values(), ids=CASES)
def test_a_password_is_seen_without_opening_the_archive(octets: bytes, kind: DetectionKind) -> None:
    assert closed_archive_detection(octets, "a.rar").kind is kind


@given(st.sampled_from([RAR_4, RAR_5, SEVEN_ZIP]), st.binary(max_size=500))
def test_no_octets_make_it_fail(start: bytes, rest: bytes) -> None:
    assert closed_archive_detection(start + rest, "a").kind in (DetectionKind.CLOSED_ARCHIVE, DetectionKind.ENCRYPTED)


@pytest.mark.parametrize(
    "octets",
    [
        pytest.param(RAR_4, id="RAR 4 cut behind its mark"),
        pytest.param(rar_4(*[(0x74, 0x8000, b"x")] * 60, (0x74, 0x8004, b"x")), id="RAR 4: a password too late"),
        pytest.param(rar_5((2, b"\0\0")), id="RAR 5 with an empty record"),
        pytest.param(rar_5(*[(2, b"\x02\x02x")] * 60, (4, b"")), id="RAR 5: a password too late"),
        pytest.param(rar_5((2, b"\x01\x02" * 60)), id="RAR 5 with more records than are read"),
    ],
)
def test_damage_and_long_archives_end_the_search(octets: bytes) -> None:
    assert closed_archive_detection(octets, "a.rar").kind is DetectionKind.CLOSED_ARCHIVE

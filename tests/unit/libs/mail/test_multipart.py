"""Where the parts of a multipart body start and end."""

from __future__ import annotations

import pytest

from libs.mail.defects import Defect
from libs.mail.multipart import sections


def split(body: bytes) -> tuple[list[bytes], set[Defect], set[bytes]]:
    defects: set[Defect] = set()
    near: set[bytes] = set()
    found = [body[start:end] for start, end in sections(body, 0, len(body), boundary=b"b", defects=defects, near=near)]
    return found, defects, near


WHOLE = b"preamble\r\n--b\r\n\r\none\r\n--b\r\n\r\ntwo\r\n--b--\r\nepilogue"


def test_preamble_and_epilogue_are_no_parts_and_the_line_break_belongs_to_the_delimiter() -> None:
    assert split(WHOLE) == ([b"\r\none", b"\r\ntwo"], set(), set())


@pytest.mark.parametrize(
    ("body", "parts", "defect"),
    [
        (WHOLE.partition(b"--b--")[0], 2, Defect.MISSING_END_BOUNDARY),
        (b"no delimiter", 0, Defect.BROKEN_BOUNDARY),
        (WHOLE + b"\r\n--b\r\n\r\nthree\r\n--b--", 3, Defect.BROKEN_BOUNDARY),
    ],
)
def test_damage_is_a_defect_and_the_parts_count(body: bytes, parts: int, defect: Defect) -> None:
    found, defects, _ = split(body)
    assert (len(found), defects) == (parts, {defect})


def test_white_space_behind_a_boundary_is_allowed_and_text_is_not() -> None:
    assert len(split(WHOLE.replace(b"--b\r\n", b"--b \t\r\n"))[0]) == 2
    found, _, near = split(WHOLE.replace(b"--b\r\n\r\ntwo", b"--bc\r\n\r\ntwo"))
    assert (len(found), near) == (1, {b"\n"})

"""The MIME tree in the order of the text."""

from __future__ import annotations

from libs.mail.defects import Defect
from libs.mail.limits import MessageLimits
from libs.mail.part import Part
from libs.mail.walk import walk
from tests.specimens.hostile import nested

TWO = (
    b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
    b"--b\r\nContent-Type: text/html\r\n\r\n<p>\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n"
    b"Subject: inner\r\n\r\ntext\r\n--b--\r\n"
)


def walked(raw: bytes, limits: MessageLimits | None = None) -> tuple[list[Part], set[Defect]]:
    limits, defects = limits or MessageLimits(), set[Defect]()
    return list(walk(Part(raw, 0, len(raw), limits=limits), limits, defects)), defects


def test_containers_come_before_their_contents() -> None:
    parts, defects = walked(TWO)
    assert [part.content_type for part in parts] == ["multipart/mixed", "text/html", "message/rfc822", "text/plain"]
    assert [part.is_leaf for part in parts] == [False, True, False, True]
    assert defects == set()


def test_a_part_that_lies_too_deep_is_a_leaf_with_a_defect() -> None:
    parts, _ = walked(nested(50), MessageLimits(depth=3))
    assert parts[-1].is_leaf
    assert Defect.TOO_DEEP in parts[-1].damage


def test_parts_beyond_the_limit_are_left_out_with_a_defect() -> None:
    parts, defects = walked(TWO, MessageLimits(parts=2))
    assert (len(parts), defects) == (2, {Defect.TOO_MANY_PARTS})

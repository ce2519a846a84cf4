"""The walk through a content and everything in it."""

from __future__ import annotations

from libs.mail.message import parse
from services.antivirus.domain.budget import ArchiveLimits, ScanBudget
from services.antivirus.domain.content import ScanContent
from services.antivirus.domain.detections import Detection, DetectionKind
from services.antivirus.domain.walk import light, walk
from tests.specimens.antivirus import a_message, nested_zip, zipped
from tests.specimens.opened import INNER


def test_containers_come_before_their_contents() -> None:
    found = list(walk(ScanContent(nested_zip(INNER, 2)), ScanBudget(ArchiveLimits())))
    octets = [content.octets for content in found if isinstance(content, ScanContent)]
    assert octets[-1] == INNER
    assert len(octets) == 3


def test_a_container_beyond_the_depth_is_a_detection_and_the_rest_goes_on() -> None:
    octets = zipped({"deep.zip": nested_zip(INNER, 3), "flat.txt": INNER})
    found = list(walk(ScanContent(octets), ScanBudget(ArchiveLimits(depth=2))))
    assert {each.kind for each in found if isinstance(each, Detection)} == {DetectionKind.ARCHIVE_LIMIT}
    assert INNER in [each.octets for each in found if isinstance(each, ScanContent)]


def test_mail_without_archives_needs_no_thread() -> None:
    raw = a_message(b"text")
    assert light(ScanContent(raw, message=parse(raw)), ArchiveLimits()) is not None
    raw = a_message(attachments={"a.zip": zipped({"a": INNER})})
    assert light(ScanContent(raw, message=parse(raw)), ArchiveLimits()) is None

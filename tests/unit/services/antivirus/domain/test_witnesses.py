"""No attachment that another reader finds goes unscanned, however broken the message is."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from libs.mail.message import parse
from services.antivirus.domain.budget import ArchiveLimits, ScanBudget
from services.antivirus.domain.content import ScanContent
from services.antivirus.domain.detections import DetectionKind
from services.antivirus.domain.inspection import inspect
from services.antivirus.domain.walk import walk
from tests.specimens.broken_mail import EICAR, broken_carriers
from tests.specimens.foreign_mail import FOREIGN
from tests.specimens.witnesses import WITNESSES


def without_line_ends(octets: bytes) -> bytes:
    return octets.replace(b"\r", b"").replace(b"\n", b"").rstrip()


@settings(max_examples=300, deadline=None)
@given(raw=broken_carriers())
def test_a_virus_that_a_reader_finds_is_found(raw: bytes) -> None:
    finders = [name for name, see in WITNESSES.items() if any(EICAR in octets for _, octets in see(raw))]
    kinds = {seen.kind for seen in inspect(ScanContent(raw, message=parse(raw)), ArchiveLimits()).detections}
    assert DetectionKind.VIRUS in kinds or not finders


@pytest.mark.parametrize("raw", FOREIGN.values(), ids=FOREIGN)
def test_what_readers_find_in_mail_of_other_systems_is_scanned(raw: bytes) -> None:
    contents = [
        found
        for found in walk(ScanContent(raw, message=parse(raw)), ScanBudget(ArchiveLimits()))
        if isinstance(found, ScanContent)
    ]
    scanned = {without_line_ends(content.octets) for content in contents}
    whole = without_line_ends(raw)
    for witness, see in WITNESSES.items():
        for name, octets in see(raw):
            found = without_line_ends(octets)
            assert found in scanned or found in whole, (witness, name)

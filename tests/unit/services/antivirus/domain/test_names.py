"""File names that lie."""

from __future__ import annotations

import pytest

from services.antivirus.domain.detections import DetectionKind
from services.antivirus.domain.names import name_detection

CASES = [
    # name, declared type, executable octets, what it is
    ("report.pdf", "application/pdf", False, None),
    ("report.final.pdf", "application/pdf", False, None),
    ("archive.tar.gz", "application/gzip", False, None),
    ("", "application/octet-stream", False, None),
    ("דו״ח\u200f.pdf", "application/pdf", False, None),
    ("setup.exe", "application/octet-stream", False, DetectionKind.DANGEROUS_NAME),
    ("setup.exe", "application/vnd.microsoft.portable-executable", True, DetectionKind.EXECUTABLE),
    ("SETUP.EXE", "", True, DetectionKind.EXECUTABLE),
    ("run.js", "text/javascript", False, DetectionKind.DANGEROUS_NAME),
    ("", "application/octet-stream", True, DetectionKind.EXECUTABLE),
    ("tool", "application/octet-stream", True, DetectionKind.EXECUTABLE),
    ("disk.iso", "", False, DetectionKind.DANGEROUS_NAME),
    ("invoice.pdf.exe", "", True, DetectionKind.DOUBLE_EXTENSION),
    ("invoice.pdf.exe", "", False, DetectionKind.DOUBLE_EXTENSION),
    ("Invoice.PDF          .ScR", "", False, DetectionKind.DOUBLE_EXTENSION),
    ("invoice.pdf.exe. . ", "", False, DetectionKind.DOUBLE_EXTENSION),
    ("invoice.p\u200bdf.exe", "", False, DetectionKind.DOUBLE_EXTENSION),
    ("a/b\\invoice.doc.js", "", False, DetectionKind.DOUBLE_EXTENSION),
    ("annexe\u202efdp.exe", "", False, DetectionKind.REVERSED_NAME),
    ("photo\u202dgpj.scr", "", False, DetectionKind.REVERSED_NAME),
    ("report.pdf", "application/pdf", True, DetectionKind.DISGUISED),
    ("holiday", "image/jpeg", True, DetectionKind.DISGUISED),
    ("", "text/plain", True, DetectionKind.DISGUISED),
]


@pytest.mark.parametrize(("name", "declared_type", "executable", "kind"), CASES)
def test_a_name_is_judged_by_what_a_double_click_would_do(
    name: str, declared_type: str, executable: bool, kind: DetectionKind | None
) -> None:
    seen = name_detection(name, declared_type, executable=executable)
    assert (seen.kind if seen else None) is kind


def test_what_is_shown_of_a_name_is_printable_and_short() -> None:
    seen = name_detection("a\u202e\n\0" + "x" * 500 + ".exe", "", executable=False)
    assert seen is not None
    assert seen.name.isprintable()
    assert len(seen.name) <= 120

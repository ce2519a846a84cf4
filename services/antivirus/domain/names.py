"""File names that lie about what a double click would do."""

from __future__ import annotations

import re
from importlib.resources import files

from services.antivirus.domain.detections import Detection, DetectionKind, detection

# The list is data, with its sources in the file.
_RUNS = frozenset(
    line
    for line in files(__package__).joinpath("dangerous_names.txt").read_text(encoding="utf-8").split("\n")
    if line and not line.startswith("#")
)
_SHOWS = frozenset(
    "pdf doc docx xls xlsx ppt pptx odt ods odp rtf txt csv htm html xml eml jpg jpeg png gif bmp tif tiff webp"  # noqa: SIM905
    " svg mp3 mp4 wav avi mov zip rar 7z log ics vcf".split()
)
_OVERRIDES = re.compile("[\u202d\u202e]")  # they turn "annexe\u202efdp.exe" into "annexeexe.pdf" on the screen
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u2060-\u2064\ufeff]")
_DOCUMENT_TYPES = (
    *("image/", "text/", "audio/", "video/", "application/pdf", "application/msword", "application/rtf"),
    *("application/vnd.ms-excel", "application/vnd.ms-word", "application/vnd.ms-powerpoint"),
    *("application/vnd.openxmlformats-", "application/vnd.oasis."),
)


def name_detection(name: str, declared_type: str, *, executable: bool) -> Detection | None:
    """Return the worst detection in the name and type of a content; `executable` tells whether its octets run."""
    if name and _OVERRIDES.search(name):
        return detection(DetectionKind.REVERSED_NAME, name)
    extensions = _extensions(name)
    runs = bool(extensions) and extensions[-1] in _RUNS
    if runs and len(extensions) > 1 and extensions[-2] in _SHOWS:
        return detection(DetectionKind.DOUBLE_EXTENSION, name)
    if executable and _claims_to_be_a_document(extensions, declared_type):
        return detection(DetectionKind.DISGUISED, "executable named or typed as a document", name or declared_type)
    if executable:
        return detection(DetectionKind.EXECUTABLE, name or "without a name")
    return detection(DetectionKind.DANGEROUS_NAME, name) if runs else None


def _extensions(name: str) -> list[str]:
    """`Invoice.PDF   .exe. ` gives pdf, exe: Windows drops final dots and spaces."""
    bare = _INVISIBLE.sub("", name).replace("\\", "/").rsplit("/", 1)[-1].rstrip(". ")
    return [piece.strip().lower() for piece in bare.split(".")[1:]]


def _claims_to_be_a_document(extensions: list[str], declared_type: str) -> bool:
    if extensions and extensions[-1] in _SHOWS:
        return True
    return declared_type.startswith(_DOCUMENT_TYPES) and not (extensions and extensions[-1] in _RUNS)

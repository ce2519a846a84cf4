"""Detections: an engine reports them, `judgement` decides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

MAX_NAME = 120


class DetectionKind(StrEnum):
    """The value is stable: findings, metrics and settings (`on_macro`) use it."""

    VIRUS = "virus"
    SPAM_FINGERPRINT = "fingerprint"  # a spam attachment of the fingerprint database
    SUSPICIOUS = "suspicious"  # a guess of an engine: phishing, potentially unwanted
    ENCRYPTED = "encrypted"  # an archive or document that needs a password
    ARCHIVE_LIMIT = "archive_limit"  # a bomb: too deep, too many, too large, too slow
    UNREADABLE_ARCHIVE = "unreadable_archive"  # damaged, or packed by an unknown method
    CLOSED_ARCHIVE = "closed_archive"  # of a format that this engine does not open: RAR, 7z, CAB
    MACRO = "macro"
    AUTO_MACRO = "auto_macro"  # a macro that starts by itself
    OFFICE_LINK = "office_link"  # an office document that runs or loads something from elsewhere when it is opened
    EXECUTABLE = "executable"
    DANGEROUS_NAME = "dangerous_name"  # an extension that runs on a double click
    DISGUISED = "disguised"  # an executable under a name or type that says otherwise
    DOUBLE_EXTENSION = "double_extension"  # invoice.pdf.exe
    REVERSED_NAME = "reversed_name"  # the writing direction is changed in the name: it shows another extension
    PARTIAL = "partial"  # message/partial: a slice cannot be scanned (RFC 2046 5.2.2)
    MIME_LIMIT = "mime_limit"  # nested too deep or too many parts: something was not looked at
    AMBIGUOUS_MIME = "ambiguous_mime"  # mail readers disagree on the parts
    UNSCANNABLE = "unscannable"  # beyond a limit of the engine: it looked at less than all


@dataclass(frozen=True, slots=True)
class Detection:
    """One detection. `name` is the virus, or a few words on the content and its place; safe to log and to show."""

    kind: DetectionKind
    name: str


@dataclass(frozen=True, slots=True)
class EngineReport:
    """The detections of one engine; none means clean, and never that the engine did not scan."""

    engine: str
    detections: Sequence[Detection]
    milliseconds: float = 0.0


def detection(kind: DetectionKind, *words: str) -> Detection:
    """Make a detection whose name is printable and short: file names come from strangers."""
    text = " ".join(word for word in words if word)
    return Detection(kind, "".join(c if c.isprintable() else "?" for c in text[:MAX_NAME]))

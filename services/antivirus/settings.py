"""What an operator can set for the antivirus service."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from pydantic import Field, field_validator

from libs.settings import ServiceSettings
from services.antivirus.domain.budget import ArchiveLimits
from services.antivirus.domain.detections import DetectionKind
from services.antivirus.domain.engine_address import EngineAddress
from services.antivirus.domain.judgement import DetectionAction, DetectionPolicy


class Settings(ServiceSettings):
    """Engines, what they may spend, and what becomes of a message in which something other than a virus was seen."""

    engines: tuple[str, ...] = Field(
        ("builtin", "yara"),
        min_length=1,
        description="All must answer, each one of builtin, yara, clamav:tcp://HOST:PORT, clamav:unix:/PATH.",
    )
    yara_rules: Path | None = Field(
        None, description="Directory of YARA rules (.yar, .yara) beside those that come with the program."
    )
    engine_deadline: timedelta = Field(timedelta(seconds=60), description="Longest time that one engine may take.")
    probe_deadline: timedelta = Field(
        timedelta(seconds=10), description="Time in which an engine must say that it lives."
    )
    probe_period: timedelta = Field(timedelta(seconds=5), description="How often engines are asked whether they live.")
    clamav_connections: int = Field(8, ge=1, le=100, description="Scans at a time in one clamd; below its MaxThreads.")
    signatures_stale_after: timedelta = Field(
        timedelta(hours=24), description="Signatures older than this are called stale."
    )
    scan_limit_bytes: int = Field(36 * 1024 * 1024, ge=1024, description="Largest body of POST /v1/scan.")

    scan_threads: int = Field(
        2, ge=1, le=32, description="Messages whose archives builtin and yara open at a time, each."
    )
    inline_scan_limit_bytes: int = Field(
        64 * 1024, ge=0, description="Up to this size a message without archives is looked at without a thread."
    )
    archive_depth_limit: int = Field(8, ge=1, le=50, description="Archives inside each other.")
    archive_entries_limit: int = Field(10_000, ge=1, description="Files in all archives of one message.")
    archive_expanded_limit_bytes: int = Field(
        100 * 1024 * 1024, ge=1024, description="Octets unpacked from one message."
    )
    archive_ratio_limit: int = Field(250, ge=2, description="Times that one file of more than 16 MiB may expand.")
    archive_timeout: timedelta = Field(
        timedelta(seconds=10), gt=timedelta(0), description="Time for unpacking one message."
    )

    on_suspicious: DetectionAction = Field("tag", description="An engine guesses: phishing, potentially unwanted.")
    on_encrypted: DetectionAction = Field("tag", description="An archive or document that needs a password.")
    on_archive_limit: DetectionAction = Field("quarantine", description="An archive beyond the limits above: a bomb.")
    on_unreadable_archive: DetectionAction = Field(
        "tag", description="An archive that is damaged or packed in an unknown way."
    )
    on_closed_archive: DetectionAction = Field(
        "tag", description="RAR, 7z, CAB and others that only ClamAV opens; asked where no ClamAV is configured."
    )
    on_macro: DetectionAction = Field("tag", description="An office document with macros.")
    on_auto_macro: DetectionAction = Field(
        "quarantine", description="An office document with macros that start by themselves."
    )
    on_office_link: DetectionAction = Field(
        "quarantine", description="A document that starts a program (DDE) or loads a template or object from elsewhere."
    )
    on_executable: DetectionAction = Field("tag", description="A program that does not hide what it is.")
    on_dangerous_name: DetectionAction = Field("tag", description="A script or another file that a double click runs.")
    on_disguised: DetectionAction = Field(
        "quarantine", description="A program whose name or type says that it is a document."
    )
    on_double_extension: DetectionAction = Field("quarantine", description="A name such as invoice.pdf.exe.")
    on_reversed_name: DetectionAction = Field(
        "quarantine", description="U+202E in a name, which shows another extension."
    )
    on_partial: DetectionAction = Field("quarantine", description="A slice of a message, which nobody can scan.")
    on_mime_limit: DetectionAction = Field(
        "quarantine", description="Parts nested too deep or too many to look at all of them."
    )
    on_ambiguous_mime: DetectionAction = Field(
        "tag", description="Mail that readers would take apart in different ways."
    )
    on_unscannable: DetectionAction = Field(
        "quarantine", description="Beyond a limit of ClamAV: it looked at less than all."
    )

    fingerprint_refresh_period: timedelta = Field(
        timedelta(seconds=60), description="Fingerprints that others add count after this."
    )
    statistics_write_period: timedelta = Field(timedelta(seconds=5), description="How often statistics are written.")
    attachment_statistics_keep: timedelta = Field(
        timedelta(days=90), description="How long an attachment is counted after its last."
    )

    daily_statistics_keep: timedelta = Field(timedelta(days=400), description="How long statistics of days are kept.")

    @field_validator("engines")
    @classmethod
    def _addresses(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        for text in given:
            EngineAddress.read(text)
        return given

    @property
    def limits(self) -> ArchiveLimits:
        """For the built-in engine."""
        return ArchiveLimits(
            depth=self.archive_depth_limit,
            entries=self.archive_entries_limit,
            expanded_bytes=self.archive_expanded_limit_bytes,
            ratio=self.archive_ratio_limit,
            seconds=self.archive_timeout.total_seconds(),
        )

    @property
    def policy(self) -> DetectionPolicy:
        """What is done about each kind that is no virus."""
        decided = (DetectionKind.VIRUS, DetectionKind.SPAM_FINGERPRINT)
        return {kind: getattr(self, f"on_{kind}") for kind in DetectionKind if kind not in decided}

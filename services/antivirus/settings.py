"""Settings of antivirus."""

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
    """Engines, their limits, and the action for each kind of detection other than a virus."""

    engines: tuple[str, ...] = Field(
        ("builtin", "yara"),
        min_length=1,
        description="Engines that must all answer: builtin, yara, clamav:tcp://HOST:PORT or clamav:unix:/PATH.",
    )
    yara_rules: Path | None = Field(
        None, description="Directory of YARA rules (.yar, .yara) beside those that come with the program."
    )
    engine_deadline: timedelta = Field(timedelta(seconds=60), description="Longest time that one engine may take.")
    probe_deadline: timedelta = Field(
        timedelta(seconds=10), description="Longest time that an engine may take to answer a probe."
    )
    probe_period: timedelta = Field(timedelta(seconds=5), description="Time between two probes of an engine.")
    clamav_connections: int = Field(
        8, ge=1, le=100, description="Concurrent scans in one clamd; fewer than its MaxThreads."
    )
    signatures_stale_after: timedelta = Field(
        timedelta(hours=24), description="Signatures older than this are called stale."
    )
    scan_limit_bytes: int = Field(36 * 1024 * 1024, ge=1024, description="Largest body of POST /v1/scan.")

    scan_threads: int = Field(
        2, ge=1, le=32, description="Threads of builtin and of yara, each of which opens the archives of one message."
    )
    inline_scan_limit_bytes: int = Field(
        64 * 1024,
        ge=0,
        description="Largest message without archives that is scanned on the event loop, without a thread.",
    )
    archive_depth_limit: int = Field(8, ge=1, le=50, description="Most archives inside each other.")
    archive_entries_limit: int = Field(10_000, ge=1, description="Most files in all archives of one message.")
    archive_expanded_limit_bytes: int = Field(
        100 * 1024 * 1024, ge=1024, description="Most bytes unpacked from one message."
    )
    archive_ratio_limit: int = Field(
        250, ge=2, description="Largest ratio by which one file of more than 16 MiB may expand."
    )
    archive_timeout: timedelta = Field(
        timedelta(seconds=10), gt=timedelta(0), description="Longest time for unpacking one message."
    )

    on_suspicious: DetectionAction = Field(
        "tag", description="Action for a guess of an engine: phishing, potentially unwanted software."
    )
    on_encrypted: DetectionAction = Field("tag", description="Action for an archive or document that needs a password.")
    on_archive_limit: DetectionAction = Field(
        "quarantine", description="Action for an archive beyond the limits above, such as a bomb."
    )
    on_unreadable_archive: DetectionAction = Field(
        "tag", description="Action for a damaged archive or an unknown compression method."
    )
    on_closed_archive: DetectionAction = Field(
        "tag",
        description="Action for RAR, 7z, CAB and others that only ClamAV opens; unused with ClamAV.",
    )
    on_macro: DetectionAction = Field("tag", description="Action for an office document with macros.")
    on_auto_macro: DetectionAction = Field(
        "quarantine", description="Action for an office document with macros that start by themselves."
    )
    on_office_link: DetectionAction = Field(
        "quarantine",
        description="Action for a document that starts a program (DDE) or loads a remote template or object.",
    )
    on_executable: DetectionAction = Field("tag", description="Action for a program under its own name and type.")
    on_dangerous_name: DetectionAction = Field(
        "tag", description="Action for a script or another file that a double click runs."
    )
    on_disguised: DetectionAction = Field(
        "quarantine", description="Action for a program under the name or type of a document."
    )
    on_double_extension: DetectionAction = Field(
        "quarantine", description="Action for a file name such as invoice.pdf.exe."
    )
    on_reversed_name: DetectionAction = Field(
        "quarantine", description="Action for U+202E in a file name, which displays another extension."
    )
    on_partial: DetectionAction = Field(
        "quarantine", description="Action for a slice of a message (message/partial), which cannot be scanned."
    )
    on_mime_limit: DetectionAction = Field(
        "quarantine", description="Action for a message with too many or too deeply nested parts to scan all."
    )
    on_ambiguous_mime: DetectionAction = Field(
        "tag", description="Action for a message that mail readers parse in different ways."
    )
    on_unscannable: DetectionAction = Field(
        "quarantine", description="Action for a message beyond a limit of ClamAV, which scans only a part of it."
    )

    fingerprint_refresh_period: timedelta = Field(
        timedelta(seconds=60), description="Time between two reads of fingerprints that other replicas add."
    )
    statistics_write_period: timedelta = Field(
        timedelta(seconds=5), description="Time between two writes of statistics."
    )
    attachment_statistics_keep: timedelta = Field(
        timedelta(days=90), description="Time after its last appearance for which an attachment is counted."
    )

    daily_statistics_keep: timedelta = Field(
        timedelta(days=400), description="Time for which daily statistics are kept."
    )

    @field_validator("engines")
    @classmethod
    def _addresses(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        for text in given:
            EngineAddress.read(text)
        return given

    @property
    def limits(self) -> ArchiveLimits:
        """The limits for archives."""
        return ArchiveLimits(
            depth=self.archive_depth_limit,
            entries=self.archive_entries_limit,
            expanded_bytes=self.archive_expanded_limit_bytes,
            ratio=self.archive_ratio_limit,
            seconds=self.archive_timeout.total_seconds(),
        )

    @property
    def policy(self) -> DetectionPolicy:
        """The action for each kind of detection other than a virus."""
        decided = (DetectionKind.VIRUS, DetectionKind.SPAM_FINGERPRINT)
        return {kind: getattr(self, f"on_{kind}") for kind in DetectionKind if kind not in decided}

"""What an operator can set for the antivirus service."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from pydantic import Field, field_validator

from libs.settings import ServiceSettings
from services.antivirus.domain.budget import Limits
from services.antivirus.domain.engine_address import EngineAddress
from services.antivirus.domain.judgement import Action, Policy
from services.antivirus.domain.sightings import Kind


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
    stale_after: timedelta = Field(timedelta(hours=24), description="Signatures older than this are called stale.")
    scan_limit_bytes: int = Field(36 * 1024 * 1024, ge=1024, description="Largest body of POST /v1/scan.")

    threads: int = Field(2, ge=1, le=32, description="Messages whose archives builtin and yara open at a time, each.")
    loop_limit_bytes: int = Field(
        64 * 1024, ge=0, description="Up to this size a message without archives is looked at without a thread."
    )
    archive_depth: int = Field(8, ge=1, le=50, description="Archives inside each other.")
    archive_entries: int = Field(10_000, ge=1, description="Files in all archives of one message.")
    archive_expanded_bytes: int = Field(100 * 1024 * 1024, ge=1024, description="Octets unpacked from one message.")
    archive_ratio: int = Field(250, ge=2, description="Times that one file of more than 16 MiB may expand.")
    archive_seconds: float = Field(10.0, gt=0, description="Time for unpacking one message.")

    on_suspicious: Action = Field("tag", description="An engine guesses: phishing, potentially unwanted.")
    on_encrypted: Action = Field("tag", description="An archive or document that needs a password.")
    on_archive_limit: Action = Field("quarantine", description="An archive beyond the limits above: a bomb.")
    on_unreadable_archive: Action = Field("tag", description="An archive that is damaged or packed in an unknown way.")
    on_closed_archive: Action = Field(
        "tag", description="RAR, 7z, CAB and others that only ClamAV opens; asked where no ClamAV is configured."
    )
    on_macro: Action = Field("tag", description="An office document with macros.")
    on_auto_macro: Action = Field("quarantine", description="An office document with macros that start by themselves.")
    on_office_link: Action = Field(
        "quarantine", description="A document that starts a program (DDE) or loads a template or object from elsewhere."
    )
    on_executable: Action = Field("tag", description="A program that does not hide what it is.")
    on_dangerous_name: Action = Field("tag", description="A script or another file that a double click runs.")
    on_disguised: Action = Field("quarantine", description="A program whose name or type says that it is a document.")
    on_double_extension: Action = Field("quarantine", description="A name such as invoice.pdf.exe.")
    on_reversed_name: Action = Field("quarantine", description="U+202E in a name, which shows another extension.")
    on_partial: Action = Field("quarantine", description="A slice of a message, which nobody can scan.")
    on_mime_limit: Action = Field("quarantine", description="Parts nested too deep or too many to look at all of them.")
    on_ambiguous_mime: Action = Field("tag", description="Mail that readers would take apart in different ways.")
    on_unscannable: Action = Field("quarantine", description="Beyond a limit of ClamAV: it looked at less than all.")

    known_refresh: timedelta = Field(
        timedelta(seconds=60), description="Fingerprints that others add count after this."
    )
    counts_period: timedelta = Field(timedelta(seconds=5), description="How often statistics are written.")
    counts_kept: timedelta = Field(timedelta(days=90), description="How long an attachment is counted after its last.")

    statistics_memory: timedelta = Field(timedelta(days=400), description="How long statistics of days are kept.")

    @field_validator("engines")
    @classmethod
    def _addresses(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        for text in given:
            EngineAddress.read(text)
        return given

    @property
    def limits(self) -> Limits:
        """For the built-in engine."""
        return Limits(
            depth=self.archive_depth,
            entries=self.archive_entries,
            expanded_bytes=self.archive_expanded_bytes,
            ratio=self.archive_ratio,
            seconds=self.archive_seconds,
        )

    @property
    def policy(self) -> Policy:
        """What is done about each kind that is no virus."""
        decided = (Kind.VIRUS, Kind.SPAM_FINGERPRINT)
        return {kind: getattr(self, f"on_{kind}") for kind in Kind if kind not in decided}

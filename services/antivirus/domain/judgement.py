"""From what all engines saw to what becomes of the message."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from libs.envelope import Finding
from services.antivirus.domain.detections import Detection, DetectionKind, EngineReport

STAGE = "antivirus"

# quarantine: it goes no further. tag: it goes on, and the finding says so to antispam and in the headers. pass: noted.
DetectionAction = Literal["quarantine", "tag", "pass"]
DetectionPolicy = Mapping[DetectionKind, DetectionAction]


@dataclass(frozen=True, slots=True)
class ScanJudgement:
    """`viruses` are (engine, name); `quarantine_reason` is empty for a message that goes on.

    `answers` is a finding an engine, `detected` one for each thing that was seen and is no virus.
    """

    answers: tuple[Finding, ...]
    detected: tuple[Finding, ...]
    viruses: tuple[tuple[str, str], ...]
    action: DetectionAction
    quarantine_reason: str

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The findings for the envelope."""
        return (*self.answers, *self.detected)

    @property
    def infected(self) -> bool:
        return bool(self.viruses)


def judge(reports: Sequence[EngineReport], policy: DetectionPolicy) -> ScanJudgement:
    """A virus always means quarantine; a fingerprint of spam is for antispam; the rest is up to `policy`."""
    seen = {found: None for report in reports for found in report.detections if found.kind is not DetectionKind.VIRUS}
    viruses = tuple(
        (r.engine, found.name) for r in reports for found in r.detections if found.kind is DetectionKind.VIRUS
    )
    answers = tuple(_of_engine(report) for report in reports)
    detected = tuple(_of_detection(found, policy) for found in seen)
    held = [found for found in seen if policy.get(found.kind) == "quarantine"]
    if viruses:
        return ScanJudgement(answers, detected, viruses, "quarantine", f"virus: {viruses[0][1]}")
    if held:
        return ScanJudgement(answers, detected, (), "quarantine", f"{held[0].kind}: {held[0].name}")
    return ScanJudgement(answers, detected, (), _mildest(seen, policy), "")


def _mildest(seen: Iterable[Detection], policy: DetectionPolicy) -> DetectionAction:
    return "tag" if any(policy.get(found.kind) == "tag" for found in seen) else "pass"


def _of_engine(report: EngineReport) -> Finding:
    """One a report, so that every engine is seen to have answered."""
    viruses = [found.name for found in report.detections if found.kind is DetectionKind.VIRUS]
    outcome = "infected" if viruses else "suspicious" if report.detections else "clean"
    ms = round(report.milliseconds, 3)
    return Finding(stage=STAGE, name=report.engine, outcome=outcome, reason=", ".join(viruses[:5]), ms=ms)


def _of_detection(found: Detection, policy: DetectionPolicy) -> Finding:
    outcome = "spam" if found.kind is DetectionKind.SPAM_FINGERPRINT else policy[found.kind]
    return Finding(stage=STAGE, name=found.kind, outcome=outcome, reason=found.name)

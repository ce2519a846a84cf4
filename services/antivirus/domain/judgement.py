"""From what all engines saw to what becomes of the message."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from libs.envelope import Finding
from services.antivirus.domain.sightings import Kind, Report, Sighting

STAGE = "antivirus"

# quarantine: it goes no further. tag: it goes on, and the finding says so to antispam and in the headers. pass: noted.
Action = Literal["quarantine", "tag", "pass"]
Policy = Mapping[Kind, Action]


@dataclass(frozen=True, slots=True)
class Judgement:
    """`viruses` are (engine, name); `quarantine_reason` is empty for a message that goes on.

    `answers` is a finding an engine, `sighted` one for each thing that was seen and is no virus.
    """

    answers: tuple[Finding, ...]
    sighted: tuple[Finding, ...]
    viruses: tuple[tuple[str, str], ...]
    action: Action
    quarantine_reason: str

    @property
    def findings(self) -> tuple[Finding, ...]:
        """For the envelope."""
        return (*self.answers, *self.sighted)

    @property
    def infected(self) -> bool:
        return bool(self.viruses)


def judge(reports: Sequence[Report], policy: Policy) -> Judgement:
    """A virus always means quarantine; a fingerprint of spam is for antispam; the rest is up to `policy`."""
    seen = {found: None for report in reports for found in report.sightings if found.kind is not Kind.VIRUS}
    viruses = tuple((r.engine, found.name) for r in reports for found in r.sightings if found.kind is Kind.VIRUS)
    answers = tuple(_of_engine(report) for report in reports)
    sighted = tuple(_of_sighting(found, policy) for found in seen)
    held = [found for found in seen if policy.get(found.kind) == "quarantine"]
    if viruses:
        return Judgement(answers, sighted, viruses, "quarantine", f"virus: {viruses[0][1]}")
    if held:
        return Judgement(answers, sighted, (), "quarantine", f"{held[0].kind}: {held[0].name}")
    return Judgement(answers, sighted, (), _mildest(seen, policy), "")


def _mildest(seen: Iterable[Sighting], policy: Policy) -> Action:
    return "tag" if any(policy.get(found.kind) == "tag" for found in seen) else "pass"


def _of_engine(report: Report) -> Finding:
    """One a report, so that every engine is seen to have answered."""
    viruses = [found.name for found in report.sightings if found.kind is Kind.VIRUS]
    outcome = "infected" if viruses else "suspicious" if report.sightings else "clean"
    ms = round(report.milliseconds, 3)
    return Finding(stage=STAGE, name=report.engine, outcome=outcome, reason=", ".join(viruses[:5]), ms=ms)


def _of_sighting(found: Sighting, policy: Policy) -> Finding:
    outcome = "spam" if found.kind is Kind.SPAM_FINGERPRINT else policy[found.kind]
    return Finding(stage=STAGE, name=found.kind, outcome=outcome, reason=found.name)

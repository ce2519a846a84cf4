"""From reports to what becomes of the message."""

from __future__ import annotations

import pytest

from services.antivirus.domain.detections import Detection, DetectionKind, EngineReport
from services.antivirus.domain.judgement import DetectionAction, judge
from services.antivirus.settings import Settings

POLICY = Settings().policy
VIRUS = Detection(DetectionKind.VIRUS, "Worm.A")
BOMB = Detection(DetectionKind.ARCHIVE_LIMIT, "more than 10 entries")
MACRO = Detection(DetectionKind.MACRO, "a.doc")
SPAM = Detection(DetectionKind.SPAM_FINGERPRINT, "Fingerprint.1")


@pytest.mark.parametrize(
    ("detections", "action", "reason"),
    [
        ((), "pass", ""),
        ((VIRUS,), "quarantine", "virus: Worm.A"),
        ((BOMB, VIRUS), "quarantine", "virus: Worm.A"),
        ((MACRO, BOMB), "quarantine", "archive_limit: more than 10 entries"),
        ((MACRO,), "tag", ""),
        ((SPAM,), "pass", ""),
    ],
)
def test_the_worst_that_was_seen_decides(
    detections: tuple[Detection, ...], action: DetectionAction, reason: str
) -> None:
    judgement = judge([EngineReport("one", ()), EngineReport("two", detections)], POLICY)
    assert (judgement.action, judgement.quarantine_reason) == (action, reason)
    assert judgement.infected == (VIRUS in detections)


def test_every_engine_and_every_detection_has_its_finding_once() -> None:
    reports = [
        EngineReport("one", (VIRUS, MACRO), 1.23456),
        EngineReport("two", (MACRO, SPAM)),
        EngineReport("three", ()),
    ]
    findings = judge(reports, POLICY).findings
    assert [(found.name, found.outcome, found.reason) for found in findings] == [
        ("one", "infected", "Worm.A"),
        ("two", "suspicious", ""),
        ("three", "clean", ""),
        ("macro", "tag", "a.doc"),
        ("fingerprint", "spam", "Fingerprint.1"),
    ]
    assert {found.stage for found in findings} == {"antivirus"}
    assert findings[0].ms == 1.235


def test_every_kind_but_those_that_are_decided_has_a_policy() -> None:
    assert set(POLICY) == set(DetectionKind) - {DetectionKind.VIRUS, DetectionKind.SPAM_FINGERPRINT}

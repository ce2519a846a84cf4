"""From reports to what becomes of the message."""

from __future__ import annotations

import pytest

from services.antivirus.domain.judgement import Action, judge
from services.antivirus.domain.sightings import Kind, Report, Sighting
from services.antivirus.settings import Settings

POLICY = Settings().policy
VIRUS = Sighting(Kind.VIRUS, "Worm.A")
BOMB = Sighting(Kind.ARCHIVE_LIMIT, "more than 10 entries")
MACRO = Sighting(Kind.MACRO, "a.doc")
SPAM = Sighting(Kind.SPAM_FINGERPRINT, "Fingerprint.1")


@pytest.mark.parametrize(
    ("sightings", "action", "reason"),
    [
        ((), "pass", ""),
        ((VIRUS,), "quarantine", "virus: Worm.A"),
        ((BOMB, VIRUS), "quarantine", "virus: Worm.A"),
        ((MACRO, BOMB), "quarantine", "archive_limit: more than 10 entries"),
        ((MACRO,), "tag", ""),
        ((SPAM,), "pass", ""),
    ],
)
def test_the_worst_that_was_seen_decides(sightings: tuple[Sighting, ...], action: Action, reason: str) -> None:
    judgement = judge([Report("one", ()), Report("two", sightings)], POLICY)
    assert (judgement.action, judgement.quarantine_reason) == (action, reason)
    assert judgement.infected == (VIRUS in sightings)


def test_every_engine_and_every_sighting_has_its_finding_once() -> None:
    reports = [Report("one", (VIRUS, MACRO), 1.23456), Report("two", (MACRO, SPAM)), Report("three", ())]
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
    assert set(POLICY) == set(Kind) - {Kind.VIRUS, Kind.SPAM_FINGERPRINT}

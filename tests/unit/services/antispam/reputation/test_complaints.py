"""The subjects of complaints, and their weight."""

from __future__ import annotations

import pytest

from libs.network import parsed
from services.antispam.reputation.complaints import (
    ComplaintSubject,
    ComplaintThresholds,
    ReportedSubjects,
    SubjectKind,
    subjects_of,
)

THRESHOLDS = ComplaintThresholds(peer=5, sender=3, domain=10)


@pytest.mark.parametrize(
    ("sender", "peer", "subjects"),
    [
        (
            "Spam@Example.COM",
            "192.0.2.1",
            [("sender", "spam@example.com"), ("domain", "example.com"), ("peer", "192.0.2.1")],
        ),
        ("", "2001:db8::77", [("peer", "2001:db8::/64")]),  # a null sender has no domain
        ("spam@example.com", "", [("sender", "spam@example.com"), ("domain", "example.com")]),
        ("", "unknown", []),
    ],
)
def test_a_complaint_is_about_the_sender_its_domain_and_the_peer(
    sender: str, peer: str, subjects: list[tuple[SubjectKind, str]]
) -> None:
    assert list(subjects_of(sender=sender, peer=peer)) == [ComplaintSubject(*subject) for subject in subjects]


def test_only_subjects_over_their_threshold_are_reported() -> None:
    reported = ReportedSubjects(THRESHOLDS)
    peer = parsed("2001:db8::1")
    assert peer is not None
    assert reported.about_peer(peer) == 0
    reported.replace({ComplaintSubject("peer", "2001:db8::/64"): 7, ComplaintSubject("domain", "spam.example"): 12})
    found = (reported.about_peer(peer), reported.about_sender("a@spam.example"), reported.about_domain("spam.example"))
    assert found == (7, 0, 12)
    reported.replace({})
    assert reported.about_peer(peer) == 0


@pytest.mark.parametrize(
    ("kind", "complainants", "strength"),
    [("sender", 3, 1.0), ("peer", 6, 1.2), ("domain", 20, 2.0), ("sender", 99, 2.0)],
)
def test_complaints_weigh_up_to_twice_as_much_as_at_the_threshold(
    kind: SubjectKind, complainants: int, strength: float
) -> None:
    assert ReportedSubjects(THRESHOLDS).strength(kind, complainants) == strength

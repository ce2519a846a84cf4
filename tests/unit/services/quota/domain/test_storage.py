"""Storage limits and warnings."""

from datetime import UTC, datetime, timedelta

import pytest

from services.quota.domain.storage import Usage, limit_of, should_warn, warning_text

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PROFILES = {"guest": 2000, "standard": 1000}


@pytest.mark.parametrize(
    ("own", "domain", "profile", "limit", "word"),
    [
        (5, 7, "guest", 5, "the account's own limit comes first"),
        (0, 7, "guest", 0, "a limit of nothing is a limit"),
        (None, 7, "guest", 7, "then its domain's"),
        (None, None, "guest", 2000, "then its profile's"),
        (None, None, None, 1000, "no profile is the default one"),
        (None, None, "gone", 1000, "a profile that no longer exists is the default one"),
    ],
)
def test_the_nearest_limit_counts(
    own: int | None, domain: int | None, profile: str | None, limit: int, word: str
) -> None:
    found = limit_of(own=own, domain=domain, profile=profile, profiles=PROFILES, default_profile="standard")
    assert found == limit, word


@pytest.mark.parametrize(
    ("used", "warned_hours_ago", "warned", "word"),
    [
        (799, None, False, "below the threshold"),
        (800, None, True, "at the threshold, for the first time"),
        (900, 23, False, "at most one in 24 hours"),
        (900, 24, True, "a day later again"),
    ],
)
def test_who_is_nearly_full_is_warned_once_a_day(
    used: int, warned_hours_ago: int | None, warned: bool, word: str
) -> None:
    warned_at = None if warned_hours_ago is None else NOW - timedelta(hours=warned_hours_ago)
    usage = Usage("a@example.org", used, 3, 1000)
    found = should_warn(usage, warned_at=warned_at, now=NOW, percent=80, again=timedelta(hours=24))
    assert found == warned, word


def test_the_warning_says_how_full_and_what_to_do() -> None:
    subject, text = warning_text(Usage("a@example.org", 900 * 1024**2, 7, 1000 * 1024**2))
    assert "90 %" in subject
    assert "900.0 MB of 1000.0 MB" in text
    assert "Trash" in text


def test_a_limit_of_nothing_is_full() -> None:
    assert Usage("a@example.org", 0, 0, 0).over
    assert Usage("a@example.org", 0, 0, 0).percent == 100.0

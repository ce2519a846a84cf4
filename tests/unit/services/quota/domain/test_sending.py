"""Send limits in sliding windows."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.quota.domain.sending import HOUR, QUARTER, ClassLimits, Sent, decide, recent

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
EXTERNAL = ClassLimits(50, 50, 250, 500)


def sent(minutes_ago: float, recipients: int = 1) -> Sent:
    return Sent(NOW - timedelta(minutes=minutes_ago), recipients)


@pytest.mark.parametrize(
    ("log", "recipients", "allowed", "retry_at", "word"),
    [
        ([], 50, True, None, "the largest message"),
        ([], 51, False, None, "one recipient too many: waiting does not help"),
        ([sent(10)] * 49, 1, True, None, "the fiftieth message"),
        ([sent(10)] * 50, 1, False, NOW + timedelta(minutes=50), "the fifty-first waits for the oldest to age"),
        ([sent(61)] * 50, 1, True, None, "an hour later all is forgotten"),
        ([sent(10, 50)] * 5, 1, False, NOW + timedelta(minutes=5), "251 recipients in a quarter"),
        ([sent(16, 50)] * 5, 50, True, None, "a quarter later there is room"),
        ([sent(50, 50)] * 5 + [sent(20, 50)] * 5, 1, False, NOW + timedelta(minutes=10), "501 recipients in an hour"),
    ],
)
def test_an_attempt_is_decided_by_the_log(
    log: list[Sent], recipients: int, allowed: bool, retry_at: datetime | None, word: str
) -> None:
    decision = decide(log, recipients, EXTERNAL, now=NOW)
    assert (decision.allowed, decision.retry_at) == (allowed, retry_at), word


def test_a_class_without_recipient_windows_counts_messages_only() -> None:
    assert decide([sent(1, 50)] * 99, 50, ClassLimits(50, 100, None, None), now=NOW).allowed


@given(
    minutes=st.lists(st.floats(0, 120), max_size=80),
    recipients=st.integers(1, 50),
)
def test_whoever_waits_until_retry_at_is_let_through(minutes: list[float], recipients: int) -> None:
    log = [sent(m, 10) for m in sorted(minutes, reverse=True)]
    decision = decide(log, recipients, EXTERNAL, now=NOW)
    if decision.retry_at is not None:
        assert NOW < decision.retry_at <= NOW + HOUR
        assert decide(recent(log, now=decision.retry_at), recipients, EXTERNAL, now=decision.retry_at).allowed


def test_recent_keeps_the_last_hour() -> None:
    assert recent([sent(61), sent(59)], now=NOW) == [sent(59)]
    assert QUARTER < HOUR

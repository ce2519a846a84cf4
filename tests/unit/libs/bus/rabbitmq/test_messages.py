"""What stands in the headers of a message on RabbitMQ."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from libs.bus.rabbitmq import messages
from libs.bus.rabbitmq.codec import Properties


def properties(**headers: Any) -> Properties:
    return Properties({name.replace("_", "-"): value for name, value in headers.items()}, "m1", 1_700_000_000)


@pytest.mark.parametrize(
    ("headers", "attempt"),
    [
        ({}, 1),
        ({"x_delivery_count": 2}, 3),
        ({"facteur_attempts": 4}, 5),
        ({"facteur_attempts": 4, "x_delivery_count": 1}, 6),
    ],
    ids=["first", "given_back_by_crashes", "retried", "both"],
)
def test_attempts_count_retries_and_crashes(headers: dict[str, Any], attempt: int) -> None:
    assert messages.attempt(properties(**headers)) == attempt
    assert messages.attempt(messages.for_retry(properties(**headers))) == attempt + 1


def test_bugs_are_counted_beside_the_attempts_and_a_dead_letter_begins_anew() -> None:
    outage = messages.for_retry(properties(traceparent="00"))
    bug = messages.for_retry(messages.for_retry(outage, bug=True))
    assert [messages.bugs(each) for each in (outage, bug, messages.for_retry(bug, bug=True))] == [0, 1, 2]
    assert (messages.attempt(bug), messages.own_headers(bug)) == (4, {"traceparent": "00"})
    assert messages.bugs(messages.for_dead_letter(bug, "poison")) == 0


def test_only_the_callers_headers_are_shown() -> None:
    shown = messages.own_headers(properties(traceparent="00", x_delivery_count=1, facteur_reason="r", x_death=[{}]))
    assert shown == {"traceparent": "00"}


def test_a_retry_keeps_its_identity_and_its_first_time() -> None:
    again = messages.for_retry(properties(traceparent="00"))
    assert (again.message_id, again.timestamp) == ("m1", 1_700_000_000)


def test_a_dead_letter_has_an_identity_of_its_own() -> None:
    assert messages.for_dead_letter(properties(), "poison").message_id != "m1"


def test_a_dead_letter_that_we_buried_shows_our_reason() -> None:
    letter = messages.dead_letter("q", "1", messages.for_dead_letter(properties(a="b"), "poison"), b"")
    assert (letter.reason, letter.attempts, dict(letter.headers)) == ("poison", 1, {"a": "b"})


def test_a_dead_letter_that_the_broker_made_shows_its_reason() -> None:
    died = datetime(2026, 1, 1, tzinfo=UTC)
    headers = {"x_death": [{"reason": "delivery_limit", "time": died}], "facteur_attempts": 2}
    letter = messages.dead_letter("q", "1", properties(**headers), b"")
    assert letter.reason.startswith("delivery_limit")
    assert (letter.attempts, letter.died_at) == (23, died)


def test_an_event_that_a_full_queue_dropped_says_so_also_when_it_moves_on() -> None:
    died = datetime(2026, 1, 1, tzinfo=UTC)
    dropped = properties(event="Odd", x_death=[{"reason": "maxlen", "time": died}])
    for seen in (
        dropped,
        messages.for_dead_letter_move(dropped),
        messages.for_dead_letter_move(messages.for_dead_letter_move(dropped)),
    ):
        letter = messages.dead_letter("q", "1", seen, b"")
        assert letter.reason == "dropped: its queue was full, and it was the oldest there"
        assert (letter.died_at, letter.attempts, dict(letter.headers)) == (died, 0, {"event": "Odd"})


def test_a_reason_is_cut_so_that_the_headers_fit_into_a_frame() -> None:
    assert len(messages.for_dead_letter(properties(), "x" * 100_000).headers["facteur-reason"]) == messages.MAX_REASON


def test_message_ids_are_unique() -> None:
    assert len({messages.new_message_id() for _ in range(1000)}) == 1000

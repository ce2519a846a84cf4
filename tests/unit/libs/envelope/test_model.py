"""Ids and the small steps of an envelope."""

from __future__ import annotations

import threading
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from libs.envelope import Envelope, Finding, Recipient, new_id
from libs.envelope.model import utc_now
from tests import builders

NOW = datetime(2024, 5, 17, 8, 30, tzinfo=UTC)


def an_envelope() -> Envelope:
    return builders.an_envelope(id="a1", received_at=NOW)


def test_an_id_is_a_uuid_of_version_7_that_tells_its_time() -> None:
    now = utc_now() + timedelta(days=1)  # later than every id that this process made
    id = uuid.UUID(hex=new_id(now))
    assert (id.version, id.variant) == (7, uuid.RFC_4122)
    assert id.int >> 80 == int(now.timestamp() * 1000)
    assert len(id.hex) == len(new_id(now)) == 32


CLOCKS = {
    "stands still": [timedelta()] * 10_000,  # more than the counter of one millisecond holds
    "jumps back an hour": [timedelta(hours=2), timedelta(hours=1), timedelta(hours=1, milliseconds=1)],
    "falls for ever": [timedelta(hours=3, milliseconds=-n) for n in range(6_000)],
    "runs": [timedelta(hours=4, milliseconds=n) for n in range(100)],
    "goes back to 1970": [timedelta(hours=5), datetime(1970, 1, 1, tzinfo=UTC) - NOW],
}


@pytest.mark.parametrize("steps", CLOCKS.values(), ids=CLOCKS.keys())
def test_ids_grow_whatever_the_clock_does(steps: list[timedelta]) -> None:
    ids = [new_id(NOW + step) for step in steps]
    assert ids == sorted(set(ids))


def test_ids_grow_in_each_thread_and_are_never_given_twice() -> None:
    made: list[list[str]] = [[] for _ in range(8)]

    def make(into: list[str]) -> None:
        into.extend(new_id(NOW) for _ in range(2_000))

    threads = [threading.Thread(target=make, args=(into,)) for into in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(ids == sorted(ids) for ids in made)
    assert len({id for ids in made for id in ids}) == 16_000


def test_found_and_to_leave_the_first_envelope_as_it_was() -> None:
    envelope = an_envelope()
    finding, recipient = Finding(stage="s", name="n", outcome="o"), Recipient(address="b@example.org")
    changed = envelope.found(finding).found(finding).to((recipient,))
    assert (changed.findings, changed.recipients) == ((finding, finding), (recipient,))
    assert (envelope.findings, envelope.recipients) == ((), ())
    with pytest.raises(ValidationError):
        envelope.mail_from = "changed"  # type: ignore[misc]

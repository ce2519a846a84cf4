"""What is remembered of messages that the broker may have."""

from __future__ import annotations

from services.ingress.domain.unconfirmed import Unconfirmed
from tests.unit.services.ingress.domain.clock import ManualClock


def test_a_retry_takes_the_id_up_once() -> None:
    memory = Unconfirmed(window=10, max_entries=10, clock=ManualClock())
    memory.record(b"key", "1")
    assert [memory.claim(b"other"), memory.claim(b"key"), memory.claim(b"key")] == [None, "1", None]


def test_the_same_octets_sent_twice_stay_two_messages() -> None:
    memory = Unconfirmed(window=10, max_entries=10, clock=ManualClock())
    memory.record(b"key", "1")
    memory.record(b"key", "2")
    assert [memory.claim(b"key") for _ in range(3)] == ["1", "2", None]


def test_what_is_older_than_the_window_is_another_message() -> None:
    clock = ManualClock()
    memory = Unconfirmed(window=10, max_entries=10, clock=clock)
    memory.record(b"key", "1")
    memory.record(b"again", "2")
    clock.now += 10
    assert memory.claim(b"key") is None
    memory.record(b"again", "3")
    assert [memory.claim(b"again") for _ in range(2)] == ["3", None]


def test_the_oldest_go_when_there_are_too_many() -> None:
    memory = Unconfirmed(window=10, max_entries=2, clock=ManualClock())
    for key in (b"a", b"b", b"a", b"c"):
        memory.record(key, key.decode())
    assert [memory.claim(key) for key in (b"a", b"b", b"c")] == ["a", None, "c"]

"""Messages whose 250 may not have been read."""

from __future__ import annotations

from services.ingress.domain.duplicates import Duplicates, message_key
from tests.unit.services.ingress.domain.clock import ManualClock


def test_a_message_is_known_again_for_a_while(clock: ManualClock) -> None:
    duplicates = Duplicates(window=600, max_entries=2, clock=clock)
    for n in range(3):
        duplicates.remember(b"%d" % n, f"id {n}")
    assert [duplicates.id_of(b"%d" % n) for n in range(3)] == [None, "id 1", "id 2"]
    clock.now += 600
    assert duplicates.id_of(b"2") is None


def test_the_key_of_a_message_is_peer_envelope_and_content() -> None:
    same = message_key("192.0.2.1", "a@b", ["x@y", "z@y"], "digest")
    assert same == message_key("192.0.2.1", "a@b", ["z@y", "x@y"], "digest")
    others = [
        message_key("192.0.2.2", "a@b", ["x@y", "z@y"], "digest"),
        message_key("192.0.2.1", "a@c", ["x@y", "z@y"], "digest"),
        message_key("192.0.2.1", "a@b", ["x@y"], "digest"),
        message_key("192.0.2.1", "a@b", ["x@y", "z@y"], "other"),
    ]
    assert same not in others

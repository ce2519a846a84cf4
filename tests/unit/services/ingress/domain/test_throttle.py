"""Attempts within a window, and the delays of replies."""

from __future__ import annotations

from services.ingress.domain.throttle import Throttle, delay
from tests.unit.services.ingress.domain.clock import ManualClock


def test_attempts_are_let_through_up_to_the_limit_and_again_after_the_window(clock: ManualClock) -> None:
    throttle = Throttle(limit=3, window=60, max_keys=10, clock=clock)
    assert [throttle.attempt("a") for _ in range(3)] == [1, 2, 3]
    assert throttle.is_blocked("a")
    assert not throttle.is_blocked("b")
    clock.now += 60
    assert not throttle.is_blocked("a")
    assert throttle.attempt("a") == 1


def test_an_attempt_that_went_well_does_not_count(clock: ManualClock) -> None:
    throttle = Throttle(limit=1, window=60, max_keys=10, clock=clock)
    throttle.attempt("a")
    assert throttle.is_blocked("a")
    throttle.forgive("a")
    throttle.forgive("a")
    assert not throttle.is_blocked("a")
    assert len(throttle) == 0


def test_a_throttle_holds_a_bounded_number_of_keys(clock: ManualClock) -> None:
    throttle = Throttle(limit=1, window=60, max_keys=10, clock=clock)
    for n in range(1000):
        throttle.attempt(f"key {n}")
    assert len(throttle) == 10
    assert throttle.is_blocked("key 999")
    clock.now += 60
    throttle.attempt("new")
    assert len(throttle) == 1


def test_delays_double_in_steps_up_to_the_longest() -> None:
    assert [delay(n, first=1, longest=8) for n in (1, 2, 5, 6, 11, 16, 21, 1000)] == [1, 1, 1, 2, 4, 8, 8, 8]

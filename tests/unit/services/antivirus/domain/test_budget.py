"""The budget of one message."""

from __future__ import annotations

import pytest

from services.antivirus.domain.budget import ArchiveLimits, LimitExceeded, NeedsThread, ScanBudget

LIMITS = ArchiveLimits(depth=2, entries=3, expanded_bytes=1000, ratio=10, ratio_floor_bytes=100, seconds=5)


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def test_containers_beyond_the_depth_exceed_it() -> None:
    budget = ScanBudget(LIMITS)
    budget.enter(2)
    with pytest.raises(LimitExceeded, match="nested more than 2 deep"):
        budget.enter(3)


def test_entries_are_counted_over_all_containers() -> None:
    budget = ScanBudget(LIMITS)
    for _ in range(3):
        budget.entry()
    with pytest.raises(LimitExceeded, match="more than 3 entries"):
        budget.entry()


def test_the_output_of_all_entries_counts_together() -> None:
    budget = ScanBudget(LIMITS)
    budget.grown(600, total=600, packed=600)
    with pytest.raises(LimitExceeded, match="more than 1000 octets"):
        budget.grown(600, total=600, packed=600)


def test_a_ratio_counts_above_the_floor_alone() -> None:
    budget = ScanBudget(LIMITS)
    budget.grown(100, total=100, packed=1)
    with pytest.raises(LimitExceeded, match="more than 10 times"):
        budget.grown(1, total=101, packed=1)


def test_time_ends_and_other_readings_begin_in_its_first_part() -> None:
    clock = Clock()
    budget = ScanBudget(LIMITS, clock)
    assert not budget.is_late
    clock.seconds = 2
    assert budget.is_late
    clock.seconds = 5.1
    with pytest.raises(LimitExceeded, match="more than 5 seconds"):
        budget.in_time()


def test_a_light_budget_demands_a_thread_for_heavy_work() -> None:
    ScanBudget(LIMITS).heavy()
    with pytest.raises(NeedsThread):
        ScanBudget(LIMITS, light=True).heavy()

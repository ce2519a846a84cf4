"""A clock that is set by hand."""

from __future__ import annotations


class ManualClock:
    """Returns `now`, which a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

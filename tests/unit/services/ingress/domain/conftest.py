"""Fixtures of the rules of ingress."""

from __future__ import annotations

import pytest

from tests.unit.services.ingress.domain.clock import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()

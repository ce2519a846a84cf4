"""An engine that fails is not asked for a while."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import pytest

from libs.envelope import Temporary
from services.antispam.engines.circuit_breaker import CircuitBreaker
from services.antispam.engines.model import EngineResult
from services.antispam.message.mail_view import MailView
from tests.specimens.antispam import a_view


@dataclass
class Engine:
    """Says what it is told to, or fails."""

    says: EngineResult | None
    limit_bytes: int = 10_000
    asked: int = 0

    async def scan(self, mail: MailView) -> EngineResult:
        self.asked += 1
        if self.says is None:
            raise Temporary("it is dead")
        return self.says

    async def close(self) -> None: ...


async def test_the_breaker_opens_after_three_failures_and_one_message_tries_again() -> None:
    now = 0.0
    engine = Engine(None)
    breaker = CircuitBreaker(engine, cooldown=timedelta(seconds=30), monotonic=lambda: now)
    for asked in (1, 2, 3, 3, 3):
        with pytest.raises(Temporary, match="it is dead"):
            await breaker.scan(a_view())
        assert engine.asked == asked
    now = 31.0
    engine.says = EngineResult(1.0, 5.0)
    assert await breaker.scan(a_view()) == engine.says
    assert await breaker.scan(a_view()) == engine.says
    assert engine.asked == 5

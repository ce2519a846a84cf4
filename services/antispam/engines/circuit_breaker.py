"""A circuit breaker for engines: one that fails several times in a row is not asked for a while, so that mail does not
wait for a dead engine.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Protocol

from libs.envelope import Temporary
from services.antispam.engines.model import EngineResult, ExternalEngine
from services.antispam.message.mail_view import MailView

_FAILURES = 3


class EngineClient(ExternalEngine, Protocol):
    """An engine that can be closed."""

    async def close(self) -> None: ...


class CircuitBreaker:
    """Wraps an engine. While the breaker is open every scan fails at once; then one message tries again."""

    def __init__(
        self, engine: EngineClient, *, cooldown: timedelta, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.limit_bytes = engine.limit_bytes
        self._engine = engine
        self._cooldown = cooldown.total_seconds()
        self._monotonic = monotonic
        self._failures = 0
        self._open_until = 0.0
        self._reason = ""

    async def scan(self, mail: MailView) -> EngineResult:
        """Raises `Temporary`, while the breaker is open with the reason of the last failure."""
        if self._failures >= _FAILURES:
            if self._monotonic() < self._open_until:
                raise Temporary(f"not asked since it failed before: {self._reason}")
            self._open_until = self._monotonic() + self._cooldown  # other messages do not try meanwhile
        try:
            result = await self._engine.scan(mail)
        except Temporary as error:
            self._failures += 1
            self._reason, self._open_until = error.reason, self._monotonic() + self._cooldown
            raise
        self._failures = 0
        return result

    async def close(self) -> None:
        await self._engine.close()

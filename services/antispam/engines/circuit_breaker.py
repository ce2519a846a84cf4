"""An engine that failed several times in a row is left alone for a while: not all mail must wait for a dead one."""

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
    """An adapter."""

    async def close(self) -> None: ...


class CircuitBreaker:
    """The engine with its rests, in which every question fails at once; then one may try again."""

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
        """Raises `Temporary`, in a rest with the reason of the last failure."""
        if self._failures >= _FAILURES:
            if self._monotonic() < self._open_until:
                raise Temporary(f"not asked since it failed before: {self._reason}")
            self._open_until = self._monotonic() + self._cooldown  # whoever comes meanwhile does not try as well
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

"""An engine that failed several times in a row is left alone for a while: not all mail must wait for a dead one."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Protocol

from libs.envelope import Temporary
from services.antispam.engines.model import ExternalEngine, Opinion
from services.antispam.message.mail_view import MailView

_FAILURES = 3


class Closable(ExternalEngine, Protocol):
    """An adapter."""

    async def close(self) -> None: ...


class Resting:
    """The engine with its rests, in which every question fails at once; then one may try again."""

    def __init__(self, engine: Closable, *, rest: timedelta, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.limit_bytes = engine.limit_bytes
        self._engine = engine
        self._rest = rest.total_seconds()
        self._monotonic = monotonic
        self._failures = 0
        self._rests_until = 0.0
        self._reason = ""

    async def judge(self, mail: MailView) -> Opinion:
        """Raises `Temporary`, in a rest with the reason of the last failure."""
        if self._failures >= _FAILURES:
            if self._monotonic() < self._rests_until:
                raise Temporary(f"not asked since it failed before: {self._reason}")
            self._rests_until = self._monotonic() + self._rest  # whoever comes meanwhile does not try as well
        try:
            opinion = await self._engine.judge(mail)
        except Temporary as error:
            self._failures += 1
            self._reason, self._rests_until = error.reason, self._monotonic() + self._rest
            raise
        self._failures = 0
        return opinion

    async def close(self) -> None:
        await self._engine.close()

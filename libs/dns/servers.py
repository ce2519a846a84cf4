"""The resolvers in their order, without the unresponsive ones."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import dns.name
import structlog

from libs.dns.answers import AnswerKind, DnsAnswer
from libs.dns.single_flight import SingleFlight
from libs.dns.wire import NameServer, NoDnsAnswer, Trouble, ask
from libs.envelope import Temporary

log = structlog.get_logger(__name__)

_DEAD = frozenset({Trouble.SILENT, Trouble.UNREACHABLE})


class Line:
    """One server, and whether it is worth a question.

    So many failures in a row make it suspect. But a stranger's domain whose own servers are dead looks the same from
    here: only when the server does not answer about the root either is it left alone, for `pause` seconds.
    """

    def __init__(
        self, server: NameServer, *, failures: int, pause: float, probe: float, now: Callable[[], float]
    ) -> None:
        self.server = server
        self._probe = probe
        self._failures_allowed = failures
        self._pause = pause
        self._now = now
        self._failures = 0
        self._silent_until = 0.0
        self._probes: SingleFlight[None, bool] = SingleFlight()

    @property
    def is_silent(self) -> bool:
        return self._now() < self._silent_until

    async def ask(self, name: dns.name.Name, kind: AnswerKind, *, seconds: float) -> tuple[DnsAnswer[Any], float]:
        """Raises `NoDnsAnswer`."""
        try:
            answer = await ask(self.server, name, kind, seconds=seconds)
        except NoDnsAnswer as error:
            if error.trouble in _DEAD:
                await self._failed()
            else:
                self._failures = 0
            raise
        self._failures = 0
        return answer

    async def _failed(self) -> None:
        self._failures += 1
        if self._failures < self._failures_allowed or self.is_silent:
            return
        if await self._probes.of(None, self._lives):
            self._failures = 0
        elif not self.is_silent:
            self._silent_until = self._now() + self._pause
            log.warning("dns_server_silent", server=str(self.server), seconds=self._pause)

    async def _lives(self) -> bool:
        try:
            await ask(self.server, dns.name.root, AnswerKind.A, seconds=self._probe)
        except NoDnsAnswer as error:
            return error.trouble not in _DEAD
        return True


class Servers:
    """Asks one after the other, twice around at most, at most so many questions at a time."""

    def __init__(self, lines: Sequence[Line], *, question_seconds: float, concurrency: int) -> None:
        self.lines = lines
        self.tries: Counter[str] = Counter()
        self._question_seconds = question_seconds
        self._slots = asyncio.Semaphore(concurrency)

    @property
    def silent(self) -> int:
        return sum(line.is_silent for line in self.lines)

    async def ask(self, name: dns.name.Name, kind: AnswerKind) -> tuple[DnsAnswer[Any], float]:
        """Raises `Temporary` when none answers; at once when all are silent."""
        said = "no DNS server answers lately" if self.lines else "there is no DNS server"
        refused: set[Line] = set()  # they will say the same again
        for line in (*self.lines, *self.lines):
            if line.is_silent or line in refused:
                continue
            try:
                async with self._slots:
                    answer = await line.ask(name, kind, seconds=self._question_seconds)
            except NoDnsAnswer as error:
                self.tries[error.trouble.value] += 1
                said = str(error)
                if error.trouble is Trouble.REFUSED:
                    refused.add(line)
            else:
                self.tries["answered"] += 1
                return answer
        raise Temporary(f"DNS {kind.value} {name.to_text(omit_final_dot=True)}: {said}")

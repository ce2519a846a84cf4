"""Answers of antispam at RCPT, cached: greylisting, honeypots, training addresses.

Without greylisting this costs one request for each domain and minute; a peer that passed is not asked about again soon.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import asdict
from datetime import timedelta

import structlog

from libs.caching import LoadingCache, TtlCache
from libs.envelope import Permanent, Temporary
from libs.neighbours import AntispamClient
from libs.neighbours.antispam import Admission, ReceptionRules
from services.ingress.ports import ADMITTED, ScreeningRequest, ScreeningResult

log = structlog.get_logger(__name__)

_DEADLINE = 2.0  # a peer waits for this
_REST = 5.0  # after it: peers need not wait for it one by one
_MAX_ENTRIES = 50_000


_NOTHING = ReceptionRules()

Key = tuple[str, ...]  # peer, and for one triplet also sender and recipient


class CachedScreening:
    """With antispam away all mail of strangers is let in, and no address is special."""

    def __init__(self, antispam: AntispamClient, *, ttl: timedelta, clock: Callable[[], float]) -> None:
        self._antispam = antispam
        self._receptions: LoadingCache[str, ReceptionRules] = LoadingCache(
            self._ask, ttl=ttl.total_seconds(), max_entries=_MAX_ENTRIES, clock=clock, rest=5.0
        )
        self._passed: TtlCache[Key, str] = TtlCache(max_entries=_MAX_ENTRIES, clock=clock)
        self._clock = clock
        self._asleep_until = float("-inf")

    async def purpose(self, address: str, domain: str) -> str:
        purposes = (await self._reception(domain)).purposes
        return purposes.get(f"{address.rpartition('@')[0]}@{domain}", "") if purposes else ""

    async def screen(self, request: ScreeningRequest) -> ScreeningResult:
        if request.account is None and not (await self._reception(request.domain)).greylists:
            return ADMITTED
        network, triplet = (request.peer,), (request.peer, request.sender, request.recipient)
        if (note := self._note(network, triplet)) is not None:
            return ScreeningResult("accept", note)
        generation = self._passed.generation
        answer = await self._answer(request)
        if answer is None:
            return ADMITTED if request.account is None else ScreeningResult("defer")
        if answer.decision == "accept" and answer.keep_seconds:
            key: Key = network if answer.whole_network else triplet
            seconds, tags = answer.keep_seconds, (request.domain,)
            self._passed.put(key, answer.note, seconds=seconds, generation=generation, tags=tags)
        return ScreeningResult(answer.decision, answer.note, answer.retry_at)

    def forget(self, domain: str = "") -> None:
        """A policy, a list or a honeypot of the domain changed; empty: those of all."""
        if domain:
            self._receptions.forget(domain)
            self._passed.forget_tagged(domain)
        else:
            self._receptions.clear()
            self._passed.clear()

    async def _answer(self, request: ScreeningRequest) -> Admission | None:
        """None when there is none."""
        if self._asleep_until > self._clock():
            return None
        try:
            async with asyncio.timeout(_DEADLINE):
                return await self._antispam.admission(**asdict(request))
        except (Temporary, Permanent, TimeoutError) as error:
            log.warning(
                "recipient_screening_failed", domain=request.domain, reason=str(error) or "antispam does not answer"
            )
            self._asleep_until = self._clock() + _REST
            return None

    async def _reception(self, domain: str) -> ReceptionRules:
        try:
            return await self._receptions.get(domain)
        except (Temporary, Permanent):
            return _NOTHING

    async def _ask(self, domain: str) -> ReceptionRules:
        try:
            async with asyncio.timeout(_DEADLINE):
                return await self._antispam.reception(domain)
        except TimeoutError as error:
            raise Temporary("antispam does not answer") from error

    def _note(self, *keys: Key) -> str | None:
        return next((note for key in keys if (note := self._passed.get(key)) is not None), None)

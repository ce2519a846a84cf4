"""Antispam over HTTP: whether a stranger has to wait, and which addresses nobody reads (R-IN-14, R-SPAM-12).

Where no domain greylists, one question a domain and minute is all that it costs; what passed is not asked again soon.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Literal
from urllib.parse import quote

import structlog
from pydantic import BaseModel

from libs.caching import Cache, Timed
from libs.envelope import Permanent, Temporary
from libs.http import Client
from services.ingress.ports import ADMITTED, Arrival, Screened

log = structlog.get_logger(__name__)

_DEADLINE = 2.0  # a peer waits for this
_REST = 5.0  # after it: peers need not wait for it one by one
_MAX_ENTRIES = 50_000


class _Reception(BaseModel):
    greylists: bool = False
    purposes: dict[str, str] = {}


class _Answer(BaseModel):
    decision: Literal["accept", "defer", "refuse"]
    note: str = ""
    retry_at: datetime | None = None
    keep_seconds: float = 0.0
    whole_network: bool = False


_NOTHING = _Reception()

Key = tuple[str, ...]  # peer, and for one triplet also sender and recipient


class HttpScreening:
    """`GET /v1/receptions/{domain}`, `POST /v1/admissions`. Antispam away: everybody is let in, nothing is special."""

    def __init__(self, client: Client, *, ttl: timedelta, clock: Callable[[], float]) -> None:
        self._client = client
        self._receptions: Cache[str, _Reception] = Cache(
            self._ask, ttl=ttl.total_seconds(), max_entries=_MAX_ENTRIES, clock=clock, rest=5.0
        )
        self._passed: Timed[Key, str] = Timed(max_entries=_MAX_ENTRIES, clock=clock)
        self._clock = clock
        self._asleep_until = float("-inf")

    async def purpose(self, address: str, domain: str) -> str:
        purposes = (await self._reception(domain)).purposes
        return purposes.get(f"{address.rpartition('@')[0]}@{domain}", "") if purposes else ""

    async def screen(self, arrival: Arrival) -> Screened:
        if arrival.account is None and not (await self._reception(arrival.domain)).greylists:
            return ADMITTED
        network, triplet = (arrival.peer,), (arrival.peer, arrival.sender, arrival.recipient)
        if (note := self._note(network, triplet)) is not None:
            return Screened("accept", note)
        generation = self._passed.generation
        answer = await self._answer(arrival)
        if answer is None:
            return ADMITTED if arrival.account is None else Screened("defer")
        if answer.decision == "accept" and answer.keep_seconds:
            key: Key = network if answer.whole_network else triplet
            seconds, tags = answer.keep_seconds, (arrival.domain,)
            self._passed.put(key, answer.note, seconds=seconds, generation=generation, tags=tags)
        return Screened(answer.decision, answer.note, answer.retry_at)

    def forget(self, domain: str = "") -> None:
        """A policy, a list or a honeypot of the domain changed; empty: those of all."""
        if domain:
            self._receptions.forget(domain)
            self._passed.forget_tagged(domain)
        else:
            self._receptions.clear()
            self._passed.clear()

    async def _answer(self, arrival: Arrival) -> _Answer | None:
        """None when there is none."""
        if self._asleep_until > self._clock():
            return None
        try:
            async with asyncio.timeout(_DEADLINE):
                return await self._client.model(_Answer, "POST", "/v1/admissions", json=_body(arrival))
        except (Temporary, Permanent, TimeoutError) as error:
            log.warning("not_screened", domain=arrival.domain, reason=str(error) or "antispam does not answer")
            self._asleep_until = self._clock() + _REST
            return None

    async def _reception(self, domain: str) -> _Reception:
        try:
            return await self._receptions.get(domain)
        except (Temporary, Permanent):
            return _NOTHING

    async def _ask(self, domain: str) -> _Reception:
        try:
            async with asyncio.timeout(_DEADLINE):
                return await self._client.model(_Reception, "GET", f"/v1/receptions/{quote(domain, safe='')}")
        except TimeoutError as error:
            raise Temporary("antispam does not answer") from error

    def _note(self, *keys: Key) -> str | None:
        return next((note for key in keys if (note := self._passed.get(key)) is not None), None)


def _body(arrival: Arrival) -> dict[str, str | None]:
    return {
        "peer": arrival.peer,
        "sender": arrival.sender,
        "recipient": arrival.recipient,
        "domain": arrival.domain,
        "account": arrival.account,
    }

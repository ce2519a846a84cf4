"""The resolver of a service: cached, joined, bounded."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Any

import dns.name

from libs.caching import TtlCache
from libs.dns.answers import AnswerKind, DnsAnswer, Ip, Mx, reverse_name
from libs.dns.servers import Line, Servers
from libs.dns.single_flight import SingleFlight
from libs.dns.wire import NameServer, name_of
from libs.envelope import Temporary

# Answers above these are asked for again: a cache of them would be an attacker's to fill.
_CACHED_RECORDS = 100
_CACHED_OCTETS = 4096
_NO_SUCH_NAME: DnsAnswer[Any] = DnsAnswer((), exists=False)

_Key = tuple[str, AnswerKind]


@dataclass(frozen=True, slots=True)
class ResolverLimits:
    """Seconds and numbers. A look-up may take several questions: other servers, TCP, a second try."""

    question: float = 2.0
    lookup: float = 5.0
    concurrency: int = 100
    cached: int = 20_000
    least_ttl: float = 5.0  # the chains of one message and of its copies share answers
    longest_ttl: float = 3600.0
    longest_negative_ttl: float = 300.0
    failure_ttl: float = 5.0  # RFC 9520 3.2: 1 second at least, 5 minutes at most
    failures: int = 3  # in a row, before a server is suspect
    probe: float = 1.0  # time for an answer on the root zone
    pause: float = 10.0  # time without questions after a failed probe


class CachingResolver:
    """The port `Resolver` over real servers. `now` is a clock in seconds that never goes back."""

    def __init__(
        self,
        servers: Sequence[NameServer],
        limits: ResolverLimits | None = None,
        *,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limits = limits = limits or ResolverLimits()
        lines = tuple(
            Line(server, failures=limits.failures, pause=limits.pause, probe=limits.probe, now=now)
            for server in servers
        )
        self.servers = Servers(lines, question_seconds=limits.question, concurrency=limits.concurrency)
        self.outcomes: Counter[str] = Counter()
        self._cache: TtlCache[_Key, DnsAnswer[Any] | Temporary] = TtlCache(max_entries=limits.cached, clock=now)
        self._running: SingleFlight[_Key, DnsAnswer[Any]] = SingleFlight()

    async def a(self, name: str) -> DnsAnswer[IPv4Address]:
        return await self._look_up(name, AnswerKind.A)

    async def aaaa(self, name: str) -> DnsAnswer[IPv6Address]:
        return await self._look_up(name, AnswerKind.AAAA)

    async def mx(self, name: str) -> DnsAnswer[Mx]:
        return await self._look_up(name, AnswerKind.MX)

    async def txt(self, name: str) -> DnsAnswer[bytes]:
        return await self._look_up(name, AnswerKind.TXT)

    async def ptr(self, address: Ip) -> DnsAnswer[str]:
        return await self._look_up(reverse_name(address), AnswerKind.PTR)

    @property
    def joined(self) -> int:
        """Look-ups that waited for an equal one."""
        return self._running.joined

    async def _look_up(self, text: str, kind: AnswerKind) -> DnsAnswer[Any]:
        key = (text.lower().removesuffix("."), kind)
        if (cached := self._cache.get(key)) is not None:
            self.outcomes["cached"] += 1
            if isinstance(cached, Temporary):
                raise Temporary(cached.reason)
            return cached
        name = name_of(text)
        if name is None:
            return _NO_SUCH_NAME
        return await self._running.of(key, lambda: self._ask(key, name))

    async def _ask(self, key: _Key, name: dns.name.Name) -> DnsAnswer[Any]:
        kind = key[1]
        try:
            async with asyncio.timeout(self._limits.lookup):
                answer, ttl = await self.servers.ask(name, kind)
        except TimeoutError:
            raise self._failed(key, f"DNS {kind.value} {name}: no answer within {self._limits.lookup:g} s") from None
        except Temporary as error:
            raise self._failed(key, error.reason) from error
        self.outcomes["found" if answer else "nodata" if answer.exists else "nxdomain"] += 1
        self._keep(key, answer, ttl)
        return answer

    def _failed(self, key: _Key, reason: str) -> Temporary:
        """RFC 9520: failures are cached as well, or every message for a dead domain would wait anew."""
        self.outcomes["failed"] += 1
        failure = Temporary(reason)
        self._cache.put(key, failure, seconds=self._limits.failure_ttl)
        return failure

    def _keep(self, key: _Key, answer: DnsAnswer[Any], ttl: float) -> None:
        records = answer.records
        if len(records) > _CACHED_RECORDS or (key[1] is AnswerKind.TXT and sum(map(len, records)) > _CACHED_OCTETS):
            return
        longest = self._limits.longest_ttl if answer else self._limits.longest_negative_ttl
        self._cache.put(key, answer, seconds=min(max(ttl, self._limits.least_ttl), longest))

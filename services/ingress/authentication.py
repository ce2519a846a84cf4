"""AUTH: the password is the router's matter, how often one may guess is ours (RFC 4954 9)."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import structlog

from libs.envelope import Temporary
from libs.mail import replies
from services.ingress.domain.refusal import Refused
from services.ingress.domain.relaying import Login
from services.ingress.domain.throttle import Throttle, delay
from services.ingress.ports import Directory

log = structlog.get_logger(__name__)

_TOO_MANY = replies.AUTH_UNAVAILABLE.because("Too many failed attempts, try again later")


class Familiar:
    """Pairs of login and address that got in lately, the newest `max_entries` of them."""

    def __init__(self, *, max_entries: int) -> None:
        self._max_entries = max_entries
        self._pairs: OrderedDict[tuple[str, str], None] = OrderedDict()

    def add(self, login: str, address: str) -> None:
        self._pairs[login, address] = None
        self._pairs.move_to_end((login, address))
        if len(self._pairs) > self._max_entries:
            self._pairs.popitem(last=False)

    def __contains__(self, pair: tuple[str, str]) -> bool:
        return pair in self._pairs


@dataclass(frozen=True, slots=True)
class Authenticator:
    """Counts attempts per address and per account, known or not, and slows their answers down."""

    directory: Directory
    addresses: Throttle
    accounts: Throttle
    first_delay: float
    longest_delay: float
    abused: Callable[[str], Awaitable[None]]
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep
    familiar: Familiar = field(default_factory=lambda: Familiar(max_entries=10_000))

    async def check(self, login: str, password: str, address: str) -> Login:
        """Who it is. `address` is the peer as it is counted. Raises `Refused`."""
        buckets = self._buckets(login.lower(), address)
        if any(throttle.is_blocked(key) for throttle, key in buckets):
            await self.pause(self.first_delay)
            raise Refused(_TOO_MANY, "throttled")
        failures = max(throttle.attempt(key) for throttle, key in buckets)
        try:
            found = await self.directory.authenticate(login, password)
        except Temporary as error:
            _forgive(buckets)
            raise Refused(replies.AUTH_UNAVAILABLE, "unavailable") from error
        if found is None:
            await self._failed(address, failures)
            raise Refused(replies.AUTH_FAILED, "failed")
        _forgive(buckets)
        self.familiar.add(login.lower(), address)
        return found

    def _buckets(self, name: str, address: str) -> tuple[tuple[Throttle, str], ...]:
        """What an attempt counts against. A familiar pair has a bucket of its own: neither a flood of guesses from
        elsewhere nor one wrong device in the same office locks its owner out."""
        if (name, address) in self.familiar:
            return ((self.accounts, f"{name} {address}"),)
        return ((self.addresses, address), (self.accounts, name))

    async def _failed(self, address: str, failures: int) -> None:
        log.warning("auth_failed", peer=address, failures=failures)
        if self.addresses.is_blocked(address):
            await self.abused(address)
        await self.pause(delay(failures, first=self.first_delay, longest=self.longest_delay))


def _forgive(buckets: tuple[tuple[Throttle, str], ...]) -> None:
    for throttle, key in buckets:
        throttle.forgive(key)

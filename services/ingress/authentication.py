"""AUTH: the router checks the password; this module limits how often a peer may guess (RFC 4954 9)."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import structlog

from libs.envelope import Temporary
from libs.mail import replies
from services.ingress.domain.refusal import CommandRefused
from services.ingress.domain.relaying import Login
from services.ingress.domain.throttle import Throttle, delay
from services.ingress.ports import RecipientDirectory

log = structlog.get_logger(__name__)

_TOO_MANY_FAILURES = replies.AUTH_UNAVAILABLE.because("Too many failed attempts, try again later")


class KnownLogins:
    """The last `max_entries` pairs of login and address that authenticated."""

    def __init__(self, *, max_entries: int) -> None:
        self._max_entries = max_entries
        self._pairs: OrderedDict[tuple[str, str], None] = OrderedDict()

    def record(self, login: str, address: str) -> None:
        self._pairs[login, address] = None
        self._pairs.move_to_end((login, address))
        if len(self._pairs) > self._max_entries:
            self._pairs.popitem(last=False)

    def __contains__(self, pair: tuple[str, str]) -> bool:
        return pair in self._pairs


@dataclass(frozen=True, slots=True)
class Authenticator:
    """Counts attempts per address and per account, whether it exists or not, and delays answers to failures.

    `on_abuse` is called with an address from which too many attempts failed. Delays are seconds.
    """

    directory: RecipientDirectory
    addresses: Throttle
    accounts: Throttle
    first_delay: float
    longest_delay: float
    on_abuse: Callable[[str], Awaitable[None]]
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep
    known_logins: KnownLogins = field(default_factory=lambda: KnownLogins(max_entries=10_000))

    async def check(self, login: str, password: str, address: str) -> Login:
        """Return the account of a login. Raises `CommandRefused`.

        `address` is the network by which the peer is counted.
        """
        buckets = self._buckets(login.lower(), address)
        if any(throttle.is_blocked(key) for throttle, key in buckets):
            await self.pause(self.first_delay)
            raise CommandRefused(_TOO_MANY_FAILURES, "throttled")
        failures = max(throttle.attempt(key) for throttle, key in buckets)
        try:
            found = await self.directory.authenticate(login, password)
        except Temporary as error:
            _forgive(buckets)
            raise CommandRefused(replies.AUTH_UNAVAILABLE, "unavailable") from error
        if found is None:
            await self._failed(address, failures)
            raise CommandRefused(replies.AUTH_FAILED, "failed")
        _forgive(buckets)
        self.known_logins.record(login.lower(), address)
        return found

    def _buckets(self, name: str, address: str) -> tuple[tuple[Throttle, str], ...]:
        """Return what an attempt counts against.

        A pair that authenticated before has a bucket of its own: neither a flood of guesses from elsewhere nor one
        misconfigured device in the same office locks its owner out.
        """
        if (name, address) in self.known_logins:
            return ((self.accounts, f"{name} {address}"),)
        return ((self.addresses, address), (self.accounts, name))

    async def _failed(self, address: str, failures: int) -> None:
        log.warning("authentication_failed", peer=address, failures=failures)
        if self.addresses.is_blocked(address):
            await self.on_abuse(address)
        await self.pause(delay(failures, first=self.first_delay, longest=self.longest_delay))


def _forgive(buckets: tuple[tuple[Throttle, str], ...]) -> None:
    for throttle, key in buckets:
        throttle.forgive(key)

"""How often one may guess. The directory here is a table: the real one is asked in the integration tests."""

from __future__ import annotations

import asyncio

import pytest

from libs.envelope import Temporary
from services.ingress.authentication import Authenticator
from services.ingress.domain.refusal import CommandRefused
from services.ingress.domain.relaying import Login
from services.ingress.domain.throttle import Throttle
from services.ingress.ports import AddressResolution


class Table:
    """One account, and whether it answers."""

    def __init__(self) -> None:
        self.asked = 0
        self.away = False

    async def authenticate(self, login: str, password: str) -> Login | None:
        self.asked += 1
        await asyncio.sleep(0)
        if self.away:
            raise Temporary("away")
        return Login("jean@example.org") if (login.lower(), password) == ("jean", "right") else None

    async def recipient(self, address: str) -> AddressResolution:
        return AddressResolution("unknown")

    async def is_ours(self, domain: str) -> bool:
        return False

    async def senders(self, account: str) -> frozenset[str]:
        return frozenset()


class Guard:
    """An authenticator with all that it told others."""

    def __init__(self) -> None:
        self.table = Table()
        self.pauses: list[float] = []
        self.abused: list[str] = []

        def throttle(limit: int) -> Throttle:
            return Throttle(limit=limit, window=60, max_keys=100, clock=lambda: 0.0)

        self.authenticator = Authenticator(
            directory=self.table,
            addresses=throttle(6),
            accounts=throttle(3),
            first_delay=1,
            longest_delay=8,
            on_abuse=self._abused,
            pause=self._pause,
        )

    async def _abused(self, address: str) -> None:
        self.abused.append(address)

    async def _pause(self, seconds: float) -> None:
        self.pauses.append(seconds)

    async def reply(self, login: str, password: str, address: str = "192.0.2.1") -> str:
        try:
            await self.authenticator.check(login, password, address)
        except CommandRefused as refused:
            return f"{refused.reply.code} {refused.reply.enhanced}"
        return "235"


@pytest.fixture
def guard() -> Guard:
    return Guard()


async def test_answers_to_failures_wait_longer_and_longer(guard: Guard) -> None:
    assert [await guard.reply(f"user{n}", "wrong") for n in range(6)] == ["535 5.7.8"] * 6
    assert guard.pauses == [1, 1, 1, 1, 1, 2]


async def test_an_account_that_does_not_exist_is_throttled_like_one_that_does(guard: Guard) -> None:
    known = [await guard.reply("jean", "wrong", "192.0.2.1") for _ in range(5)]
    unknown = [await guard.reply("nobody", "wrong", "192.0.2.2") for _ in range(5)]
    assert known == unknown == ["535 5.7.8"] * 3 + ["454 4.7.0"] * 2
    assert guard.pauses[:5] == guard.pauses[5:]


async def test_a_crowd_at_once_gets_no_more_tries_than_one_after_the_other(guard: Guard) -> None:
    replies = await asyncio.gather(*(guard.reply("jean", "wrong", f"192.0.2.{n}") for n in range(50)))
    assert replies.count("535 5.7.8") == guard.table.asked == 3


async def test_an_address_that_tries_many_accounts_is_told_of_once(guard: Guard) -> None:
    replies = [await guard.reply(f"user{n}", "wrong") for n in range(10)]
    assert replies == ["535 5.7.8"] * 6 + ["454 4.7.0"] * 4
    assert guard.abused == ["192.0.2.1"]


async def test_success_leaves_no_trace_of_attempts(guard: Guard) -> None:
    assert [await guard.reply("jean", "right") for _ in range(20)] == ["235"] * 20
    assert guard.pauses == []


async def test_a_familiar_pair_is_not_locked_out_by_others_and_still_guesses_in_vain(guard: Guard) -> None:
    assert await guard.reply("Jean", "right") == "235"
    for n in range(6):
        await guard.reply(f"user{n}", "wrong")
    for _ in range(3):
        await guard.reply("jean", "wrong", "192.0.2.9")
    assert await guard.reply("user9", "wrong") == "454 4.7.0"
    assert await guard.reply("jean", "right") == "235"
    assert [await guard.reply("jean", "wrong") for _ in range(4)] == ["535 5.7.8"] * 3 + ["454 4.7.0"]


async def test_a_directory_that_is_away_costs_no_attempt(guard: Guard) -> None:
    guard.table.away = True
    assert [await guard.reply("jean", "right") for _ in range(10)] == ["454 4.7.0"] * 10
    guard.table.away = False
    assert await guard.reply("jean", "right") == "235"

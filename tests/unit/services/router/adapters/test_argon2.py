from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Literal

import pytest
from argon2 import PasswordHasher, extract_parameters

from libs.envelope import Temporary
from services.router.adapters.argon2 import Argon2Passwords


class Watched(PasswordHasher):
    """The real thing; notes what it verifies, and can be held up."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_cost=64, parallelism=1)
        self.verified: list[str] = []
        self.go_on = threading.Event()
        self.go_on.set()

    def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:
        assert threading.current_thread() is not threading.main_thread()
        self.go_on.wait(5)
        self.verified.append(str(hash))
        return super().verify(hash, password)


@pytest.fixture
def hasher() -> Watched:
    return Watched()


@pytest.fixture
def passwords(hasher: Watched) -> Iterator[Argon2Passwords]:
    passwords = Argon2Passwords(hasher, threads=1, queue=2, deadline=timedelta(seconds=0.2))
    yield passwords
    hasher.go_on.set()
    passwords.close()


async def test_the_right_password_matches_and_no_other(passwords: Argon2Passwords) -> None:
    stored = await passwords.hash("pa\u0302te\u0301-123")
    assert stored.startswith("$argon2id$")
    assert await passwords.verify(stored, "p\u00e2t\u00e9-123"), "typed on another keyboard"
    assert not await passwords.verify(stored, "pate-123")
    assert await passwords.hash("pa\u0302te\u0301-123") != stored, "a salt of its own each time"


async def test_an_unknown_user_costs_the_same_computation(passwords: Argon2Passwords, hasher: Watched) -> None:
    stored = await passwords.hash("secret-123")
    assert not await passwords.verify(None, "secret-123")
    assert not await passwords.verify(None, "no account has this password")
    assert await passwords.verify(stored, "secret-123")
    costs = [extract_parameters(used) for used in hasher.verified]
    assert len(costs) == 3
    assert len(set(map(str, costs))) == 1


async def test_a_broken_hash_opens_nothing(passwords: Argon2Passwords) -> None:
    for stored in ("", "x", "$argon2id$v=19$m=64,t=1,p=1$broken"):
        assert not await passwords.verify(stored, "secret-123")


async def test_too_many_at_once_are_told_to_come_back(passwords: Argon2Passwords, hasher: Watched) -> None:
    stored = await passwords.hash("secret-123")
    hasher.go_on.clear()
    three = [asyncio.create_task(passwords.verify(stored, "secret-123")) for _ in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(Temporary, match="too many"):
        await passwords.verify(stored, "secret-123")
    slow = await asyncio.gather(*three, return_exceptions=True)
    assert [str(error) for error in slow] == ["the password check took too long"] * 3
    hasher.go_on.set()
    async with asyncio.timeout(5):
        while not await usable(passwords, stored):
            await asyncio.sleep(0.01)


async def usable(passwords: Argon2Passwords, stored: str) -> bool:
    try:
        return await passwords.verify(stored, "secret-123")
    except Temporary:
        return False


def test_weaker_parameters_than_now_are_seen(passwords: Argon2Passwords) -> None:
    weaker = PasswordHasher(time_cost=1, memory_cost=32, parallelism=1).hash("secret-123")
    assert passwords.is_weak(weaker)
    assert not passwords.is_weak(Watched().hash("secret-123"))

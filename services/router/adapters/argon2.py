"""Argon2id in a bounded pool of threads (the library releases the interpreter lock while it computes)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from libs.envelope import Temporary
from libs.tasks import Threads
from services.router.domain.passwords import prepare

T = TypeVar("T")


class Argon2Passwords:
    """At most `threads` computations at a time and `queue` that wait; fails closed, and with `Temporary` when full."""

    def __init__(self, hasher: PasswordHasher, *, threads: int, queue: int, deadline: timedelta) -> None:
        self._hasher = hasher
        self._threads = Threads("argon2", threads, deadline)
        self._room = threads + queue
        self._dummy = hasher.hash("no account has this password")

    async def hash(self, password: str) -> str:
        """In the PHC string format, with a random salt."""
        return await self._run(lambda: self._hasher.hash(prepare(password)))

    async def verify(self, stored: str | None, password: str) -> bool:
        """Without a stored hash a dummy is computed with the same parameters, so that time tells nothing."""
        matches = await self._run(lambda: self._matches(stored or self._dummy, password))
        return matches and stored is not None

    def is_weak(self, stored: str) -> bool:
        """Whether its parameters differ from the settings."""
        return self._hasher.check_needs_rehash(stored)

    def close(self) -> None:
        self._threads.close()

    def _matches(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, prepare(password))  # compares in constant time
        except (VerificationError, InvalidHashError):
            return False

    async def _run(self, work: Callable[[], T]) -> T:
        if self._room <= 0:
            raise Temporary("too many passwords wait to be checked")
        self._room -= 1
        try:
            return await self._threads.run(work)
        except TimeoutError as error:
            raise Temporary("the password check took too long") from error
        finally:
            self._room += 1

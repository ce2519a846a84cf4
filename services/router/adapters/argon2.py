"""Argon2id in a bounded pool of threads (the library releases the interpreter lock while it computes)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from libs.envelope import Temporary
from services.router.domain.passwords import prepare

T = TypeVar("T")


class Argon2Passwords:
    """At most `threads` computations at a time and `queue` that wait; fails closed, and with `Temporary` when full."""

    def __init__(self, hasher: PasswordHasher, *, threads: int, queue: int, deadline: timedelta) -> None:
        self._hasher = hasher
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="argon2")
        self._room = threads + queue
        self._deadline = deadline
        self._dummy = hasher.hash("no account has this password")

    async def hash(self, password: str) -> str:
        """In the PHC string format, with a random salt."""
        return await self._run(lambda: self._hasher.hash(prepare(password)))

    async def verify(self, stored: str | None, password: str) -> bool:
        """Without a stored hash a dummy is computed with the same parameters, so that time tells nothing."""
        matches = await self._run(lambda: self._matches(stored or self._dummy, password))
        return matches and stored is not None

    def is_weak(self, stored: str) -> bool:
        return self._hasher.check_needs_rehash(stored)

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)

    def _matches(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, prepare(password))  # compares in constant time
        except (VerificationError, InvalidHashError):
            return False

    async def _run(self, work: Callable[[], T]) -> T:
        """A computation that nobody waits for any more still occupies its thread: room is free when it has ended."""
        if self._room <= 0:
            raise Temporary("too many passwords wait to be checked")
        self._room -= 1
        future = asyncio.get_running_loop().run_in_executor(self._pool, work)
        future.add_done_callback(self._ended)
        try:
            async with asyncio.timeout(self._deadline.total_seconds()):
                return await future
        except TimeoutError as error:
            raise Temporary("the password check took too long") from error

    def _ended(self, _: asyncio.Future[T]) -> None:
        self._room += 1

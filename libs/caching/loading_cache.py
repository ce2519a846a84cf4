"""Answers of a neighbour: asked once however many callers wait, and never stale after a change."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from libs.caching.ttl_cache import TtlCache
from libs.envelope import Temporary

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


@dataclass(slots=True, eq=False)
class _Question(Generic[V]):
    """`is_stale` when what it asks about changed after it was asked: its callers still get the answer, none else."""

    task: asyncio.Task[V]
    is_stale: bool = False


class LoadingCache(Generic[K, V]):
    """`fetch(key)` is called for what is not known. `clock` is monotonic, times are in seconds.

    `ttl` says how long an answer is kept, or decides it by the answer (0: it is not kept). After a `Temporary` the
    neighbour is left alone for `rest` seconds, so that callers need not wait for it one by one. `tags` says what an
    answer depends on beside its key (`forget_tagged`).
    """

    def __init__(
        self,
        fetch: Callable[[K], Awaitable[V]],
        *,
        ttl: float | Callable[[V], float],
        max_entries: int,
        clock: Callable[[], float],
        rest: float = 1.0,
        tags: Callable[[K, V], Iterable[str]] | None = None,
    ) -> None:
        self._fetch = fetch
        self._ttl = ttl
        self._clock = clock
        self._rest = rest
        self._tags = tags
        self._known: TtlCache[K, tuple[V]] = TtlCache(max_entries=max_entries, clock=clock)
        self._asked: dict[K, _Question[V]] = {}
        self._running: set[asyncio.Task[V]] = set()
        self._asleep_until = float("-inf")

    async def get(self, key: K, fetch: Callable[[K], Awaitable[V]] | None = None) -> V:
        """The answer for `key`. Raises `Temporary`, and what else `fetch` raises.

        `fetch` replaces that of the constructor for one question, where the key alone does not say enough to ask it.
        """
        known = self._known.get(key)
        if known is not None:
            return known[0]
        question = self._asked.get(key)
        if question is None:
            if self._asleep_until > self._clock():
                raise Temporary("the neighbour did not answer a moment ago")
            question = self._ask(key, fetch or self._fetch)
        # The first caller may be cancelled; the others still want the answer.
        return await asyncio.shield(question.task)

    def known(self, key: K) -> tuple[V] | None:
        """What is kept, in a tuple of one; None when there is nothing. It asks nobody."""
        return self._known.get(key)

    def forget(self, *keys: K) -> None:
        """These keys changed. What is being asked about them is not kept, and is asked anew for later callers."""
        self._known.forget(*keys)
        for key in keys:
            self._overtake(key)

    def forget_tagged(self, *tags: str) -> None:
        """Forget what depends on these; all questions that are open are overtaken, for their tags are not known yet."""
        self._known.forget_tagged(*tags)
        for key in list(self._asked):
            self._overtake(key)

    def forget_where(self, concerned: Callable[[K, V], bool]) -> None:
        """Forget by key and answer; all questions that are open are overtaken. It is for rare changes."""
        self._known.forget_where(lambda key, answer: concerned(key, answer[0]))
        for key in list(self._asked):
            self._overtake(key)

    def clear(self) -> None:
        """Nothing that is known or being asked holds any more."""
        self._known.clear()
        for key in list(self._asked):
            self._overtake(key)

    def __len__(self) -> int:
        return len(self._known)

    def _overtake(self, key: K) -> None:
        question = self._asked.pop(key, None)
        if question is not None:
            question.is_stale = True

    def _ask(self, key: K, fetch: Callable[[K], Awaitable[V]]) -> _Question[V]:
        task = asyncio.create_task(self._answer(key, fetch))
        question = self._asked[key] = _Question(task)
        self._running.add(task)
        task.add_done_callback(lambda done: self._end(key, question))
        return question

    async def _answer(self, key: K, fetch: Callable[[K], Awaitable[V]]) -> V:
        try:
            return await fetch(key)
        except Temporary:
            self._asleep_until = self._clock() + self._rest
            raise

    def _end(self, key: K, question: _Question[V]) -> None:
        """An error is told to those who wait; when none waits any more, it concerns nobody."""
        self._running.discard(question.task)
        if self._asked.get(key) is question:
            del self._asked[key]
        if question.task.cancelled() or question.task.exception() is not None or question.is_stale:
            return
        answer = question.task.result()
        seconds = self._ttl(answer) if callable(self._ttl) else self._ttl
        if seconds > 0:
            tags = () if self._tags is None else self._tags(key, answer)
            self._known.put(key, (answer,), seconds=seconds, tags=tags)

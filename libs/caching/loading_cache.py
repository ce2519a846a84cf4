"""A cache in front of a neighbour: one fetch for all concurrent callers, never stale after an invalidation."""

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
    """A fetch in progress. `is_stale` if its key was invalidated meanwhile: then only its callers get the answer."""

    task: asyncio.Task[V]
    is_stale: bool = False


class LoadingCache(Generic[K, V]):
    """`fetch(key)` is called for missing keys. `clock` is monotonic, times are in seconds.

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
        """Return the cached answer in a tuple of one, or None. Fetches nothing."""
        return self._known.get(key)

    def forget(self, *keys: K) -> None:
        """Invalidate these keys. A fetch of them in progress is not cached, and later callers fetch anew."""
        self._known.forget(*keys)
        for key in keys:
            self._overtake(key)

    def forget_tagged(self, *tags: str) -> None:
        """Invalidate by tag. No fetch in progress is cached, since its tags are not known yet."""
        self._known.forget_tagged(*tags)
        for key in list(self._asked):
            self._overtake(key)

    def forget_where(self, concerned: Callable[[K, V], bool]) -> None:
        """Invalidate by key and answer; no fetch in progress is cached. It is for rare changes."""
        self._known.forget_where(lambda key, answer: concerned(key, answer[0]))
        for key in list(self._asked):
            self._overtake(key)

    def clear(self) -> None:
        """Invalidate all entries and all fetches in progress."""
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
        """Cache the answer. Callers that wait get an error from the task; without callers it is dropped."""
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

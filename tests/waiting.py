"""Waiting for conditions: no test sleeps for a fixed time."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any


async def eventually(condition: Callable[[], Any], *, seconds: float = 20) -> Any:
    """Wait until `condition`, a function or a coroutine function, is true, and return its value.

    Raises `TimeoutError` after `seconds`.
    """
    async with asyncio.timeout(seconds):
        while True:
            value = condition()
            if inspect.isawaitable(value):
                value = await value
            if value:
                return value
            await asyncio.sleep(0.01)


async def answer_when(ask: Callable[[], Awaitable[Any]], holds: Callable[[Any], Any], *, seconds: float = 20) -> Any:
    """Ask again and again until `holds` is true of the answer, and return that answer."""
    async with asyncio.timeout(seconds):
        while not holds(answer := await ask()):
            await asyncio.sleep(0.02)
    return answer


def wait_for(
    condition: Callable[[], Any], *, deadline: float = 30, what: str | Callable[[], str] = "the condition"
) -> None:
    """Wait until `condition` is true, in a test without an event loop.

    Fails after `deadline` seconds and says `what` did not come.
    """
    end = time.monotonic() + deadline
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"not within {deadline} s: {what if isinstance(what, str) else what()}")
        time.sleep(0.05)

"""A message with its envelope: each question is asked once."""

from __future__ import annotations

import asyncio

from tests.specimens.antispam import a_view


async def test_two_filters_that_want_to_know_the_same_ask_once() -> None:
    mail = a_view()
    asked: list[int] = []

    async def work() -> str:
        asked.append(1)
        await asyncio.sleep(0)
        return "answer"

    assert set(await asyncio.gather(mail.fetch_once("key", work), mail.fetch_once("key", work))) == {"answer"}
    assert await mail.fetch_once("key", work) == "answer"
    assert asked == [1]

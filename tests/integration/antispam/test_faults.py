"""Without the database, known domains are still judged, others wait, and counts are not lost."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from libs.bus import Bus
from libs.envelope import queues
from libs.mongo import EmbeddedMongod, Mongo

HAM = b"From: a@elsewhere.example\r\nTo: m@a.example\r\nSubject: hello\r\n\r\nsome words\r\n"


@pytest.fixture
async def server(tmp_path: Path, free_port: Callable[[], int]) -> AsyncIterator[EmbeddedMongod]:
    """Start a mongod that the test may stop."""
    server = EmbeddedMongod(tmp_path / "mongod", port=free_port())
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def mongo(server: EmbeddedMongod) -> AsyncIterator[Mongo]:
    mongo = Mongo(server.url, prefix="faults_", deadline=timedelta(seconds=2))
    yield mongo
    await mongo.close()


async def test_mail_of_known_domains_is_judged_on_and_that_of_others_waits(
    server: EmbeddedMongod, start: Any, post: Any, bus: Bus, eventually: Any
) -> None:
    replica = await start(rulebook_max_age=timedelta(milliseconds=100))
    await replica.call("PATCH", "/v1/policies/a.example", json={"required": 1.0, "action": "junk"})
    await post.taken(await post.send(HAM, "m@a.example"))
    await server.stop()
    verdict = (await post.taken(await post.send(HAM, "m@a.example")))[queues.ROUTER].envelope.verdicts["a.example"]
    assert (verdict.required, verdict.action) == (1.0, "junk")  # what was read last
    waiting = await post.send(HAM, "m@b.example")
    await replica.call("POST", "/v1/learn", params={"as": "spam"}, content=HAM, expect=503)
    assert "database" in (await replica.http.get("/readyz?verbose")).json()["missing"]
    await server.start()
    assert (await post.taken(waiting))[queues.ROUTER].envelope.verdicts["b.example"].required == 7.5

    async def counted() -> bool:
        days = (await replica.get("/v1/statistics/a.example"))["items"]
        return bool(days and days[-1]["counts"]["received"] >= 2)  # the write that was interrupted may count again

    await eventually(counted)
    await replica.call("POST", "/v1/learn", params={"as": "spam"}, content=HAM)

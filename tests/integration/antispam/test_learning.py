"""Training of the statistics over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from libs.envelope import queues


def spam(n: int) -> bytes:
    return (
        f"From: seller{n}@shop.example\r\nTo: you@a.example\r\nSubject: cheap watches number {n}\r\n\r\n"
        f"Buy replica watches and handbags today, free shipping worldwide, offer {n} ends soon.\r\n"
    ).encode()


def ham(n: int) -> bytes:
    return (
        f"From: jean@elsewhere.example\r\nTo: marie@a.example\r\nSubject: minutes of meeting {n}\r\n"
        f"Date: Thu, 01 Jan 2026 11:00:00 +0000\r\nMessage-ID: <{n}@elsewhere.example>\r\n\r\n"
        f"Dear Marie, here are the minutes of our meeting {n} of Tuesday, with what is left to do.\r\n"
    ).encode()


async def teach(replica: Any, kind: str, raw: bytes, **params: Any) -> Any:
    return (await replica.call("POST", "/v1/learn", content=raw, params={"as": kind, **params})).json()


@pytest.fixture
async def taught(start: Any) -> Any:
    replica = await start(bayes_min_messages=5)
    for n in range(8):
        await teach(replica, "spam", spam(n))
        await teach(replica, "ham", ham(n))
    return replica


async def test_it_speaks_once_it_learned_enough_and_at_once(start: Any) -> None:
    replica = await start(bayes_min_messages=5)
    assert await replica.outcome("bayes", spam(99)) == "miss"
    for n in range(5):
        await teach(replica, "spam", spam(n))
        await teach(replica, "ham", ham(n))
    assert await replica.get("/v1/learned") == {"domain": "", "spam": 5, "ham": 5, "active": True}
    of_spam, of_ham = [await replica.check(raw, **{"from": "a@b.example"}) for raw in (spam(99), ham(99))]
    assert of_spam["bayes"] > 0.5 > -0.5 > of_ham["bayes"]
    assert of_spam["score"] > 5 > 0 > of_ham["score"]


async def test_learning_twice_is_once_and_a_change_of_mind_moves_it(taught: Any) -> None:
    moves = []
    for kind in ("spam", "ham", "ham"):
        answer = await teach(taught, kind, spam(0))
        moves.append((answer["changed"], answer["before"], (await taught.get("/v1/learned"))["spam"]))
    assert moves == [(False, "spam", 8), (True, "spam", 7), (False, "ham", 7)]
    forgotten = await taught.call("POST", "/v1/unlearn", content=spam(0))
    assert forgotten.json() == {"changed": True, "before": "ham", "now": None, "domain": ""}
    assert (await taught.get("/v1/learned"))["ham"] == 8


async def test_the_verdict_carries_the_score_of_bayes(taught: Any, post: Any) -> None:
    envelope = (await post.taken(await post.send(spam(99), "m@a.example")))[queues.ROUTER].envelope
    verdict = envelope.verdicts["a.example"]
    assert verdict.bayes is not None
    assert verdict.bayes > 0.5
    assert "bayes" in {test.name for test in verdict.tests}


async def test_a_domain_may_see_it_otherwise(taught: Any, post: Any) -> None:
    for n in range(100, 140):
        await teach(taught, "ham", spam(n), domain="a.example")
    assert (await taught.check(spam(99), domain="a.example"))["bayes"] < 0.1  # as common in spam as in ham now
    assert (await taught.check(spam(99), domain="b.example"))["bayes"] > 0.5


async def test_replicas_and_restarts_know_the_learned_messages(taught: Any, start: Any, eventually: Any) -> None:
    other = await start(bayes_min_messages=5)
    expected = (await taught.check(spam(99)))["bayes"]
    await teach(taught, "spam", spam(50))

    async def same() -> bool:
        return bool((await other.check(spam(99)))["bayes"] == (await taught.check(spam(99)))["bayes"] != expected)

    await teach(taught, "ham", spam(99))
    await eventually(same)


@pytest.mark.parametrize(
    ("path", "content", "status"),
    [
        ("/v1/learn?as=spam", b"", 422),
        ("/v1/learn?as=eggs", b"x", 422),
        ("/v1/learn", b"x", 422),
        ("/v1/learn?as=spam&domain=no%20domain", b"x", 422),
        ("/v1/unlearn", b"never learned", 200),
        ("/v1/learn?as=spam", b"\0" * 1000, 200),
    ],
)
async def test_a_message_that_cannot_be_learned_is_refused(
    replica: Any, path: str, content: bytes, status: int
) -> None:
    await replica.call("POST", path, content=content, expect=status)

"""Background work: when its rounds come, what becomes of those that fail, and of items inside a round."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from libs.envelope import Permanent, Temporary
from libs.runtime.periodic import TEMPORARY_IN_A_ROW, MustEnd, Periodic, PeriodicRunner, each, periodic, rest
from libs.telemetry import Metrics

Script = list[BaseException | None]


class Pauses:
    """Instead of waiting, notes for how long; ends the rounds after `last` of them."""

    def __init__(self, last: int) -> None:
        self.last = last
        self.seconds: list[float] = []
        self.wakes: list[asyncio.Event | None] = []

    async def __call__(self, seconds: float, wake: asyncio.Event | None) -> None:
        self.seconds.append(seconds)
        self.wakes.append(wake)

    def over(self) -> bool:
        return len(self.seconds) >= self.last


def scripted(script: Script) -> Callable[[], asyncio.Future[None]]:
    left = list(script)

    def round() -> asyncio.Future[None]:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        match left.pop(0):
            case None:
                done.set_result(None)
            case asyncio.CancelledError():
                done.cancel()
            case error:
                done.set_exception(error)
        return done

    return round


async def ran(script: Script, *, wake: asyncio.Event | None = None) -> tuple[PeriodicRunner, Pauses, Metrics]:
    """All rounds of `script`, each with what it raises."""
    pauses, metrics = Pauses(len(script)), Metrics()
    row = Periodic("work", scripted(script), timedelta(seconds=9), wake)
    rounds = PeriodicRunner(row, metrics, is_stopping=pauses.over, pause=pauses, jitter=lambda: 0.0)
    await rounds.run()
    return rounds, pauses, metrics


def count(metrics: Metrics, outcome: str) -> float:
    labels = {"name": "work", "outcome": outcome}
    return metrics.registry.get_sample_value("facteur_periodic_job_runs_total", labels) or 0.0


async def test_a_round_that_is_done_comes_again_after_its_period() -> None:
    _, pauses, metrics = await ran([None, None, None])
    assert pauses.seconds == [9, 9, 9]
    assert count(metrics, "done") == 3
    done_at = metrics.registry.get_sample_value("facteur_periodic_job_last_success_timestamp_seconds", {"name": "work"})
    assert done_at is not None


KINDS = {
    "an outage": (Temporary("the database is away"), "failed", "the database is away"),
    "something that can never succeed": (Permanent("no such thing"), "failed", "no such thing"),
    "a bug": (KeyError("a bug"), "bug", "KeyError: 'a bug'"),
    "several outages at once": (ExceptionGroup("", [Temporary("away")]), "failed", "away"),
    "a cancellation from inside": (asyncio.CancelledError(), "bug", "RuntimeError: something that was waited for"),
}


@pytest.mark.parametrize(("error", "outcome", "reason"), KINDS.values(), ids=KINDS.keys())
async def test_a_round_that_fails_is_logged_counted_shown_and_tried_again(
    error: BaseException, outcome: str, reason: str
) -> None:
    with capture_logs() as logs:
        rounds, _, metrics = await ran([error, error, None])
    assert [line["event"] for line in logs] == ["periodic_job_failed"] * 2
    assert (count(metrics, outcome), count(metrics, "done")) == (2, 1)
    assert rounds.reason == ""
    assert (await ran([error]))[0].reason.startswith(reason)


async def test_a_row_says_that_it_fails_until_a_round_succeeds() -> None:
    away = Temporary("away")
    with pytest.raises(Temporary, match="failed 2 times in a row"):
        await (await ran([None, away, away]))[0].check()
    await (await ran([away, away, None]))[0].check()


async def test_failures_in_a_row_make_the_pause_grow_up_to_a_limit_and_a_success_ends_that() -> None:
    error = Temporary("away")
    _, pauses, _ = await ran([error] * 8 + [None, error, None])
    assert pauses.seconds == [1, 2, 4, 8, 16, 32, 60, 60, 9, 1, 9]


async def test_a_row_that_fails_is_not_woken_out_of_its_pause() -> None:
    wake = asyncio.Event()
    _, pauses, _ = await ran([None, Temporary("away"), None], wake=wake)
    assert pauses.wakes == [wake, None, wake]


async def test_a_row_is_woken_and_what_wakes_it_during_a_round_causes_another() -> None:
    wake, rounds_done = asyncio.Event(), 0

    async def round() -> None:
        nonlocal rounds_done
        assert not wake.is_set()
        rounds_done += 1
        wake.set()

    rounds = PeriodicRunner(
        Periodic("work", round, timedelta(hours=1), wake), Metrics(), is_stopping=lambda: rounds_done == 5
    )
    async with asyncio.timeout(10):
        await rounds.run()


async def test_a_row_that_nobody_wakes_comes_again_after_its_period() -> None:
    async with asyncio.timeout(10):
        await rest(0.001, asyncio.Event())
        await rest(0.001, None)


async def test_a_row_ends_when_it_is_cancelled() -> None:
    began = asyncio.Event()

    async def round() -> None:
        began.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(PeriodicRunner(Periodic("work", round, timedelta(hours=1)), Metrics()).run())
    await began.wait()
    task.cancel()
    async with asyncio.timeout(10):
        await asyncio.wait([task])
    assert task.cancelled()


async def test_a_round_that_would_do_harm_ends_the_rounds() -> None:
    with pytest.raises(MustEnd, match="two owners"):
        await ran([MustEnd("two owners"), None])


async def test_a_loop_is_a_row_whose_every_end_is_a_failure() -> None:
    async def watch() -> None:
        pass

    row = periodic(watch)
    assert row.name.endswith("watch")
    with pytest.raises(RuntimeError, match="the loop ended"):
        await row.round()


class Items:
    """Items of which some fail; parks them with the reason."""

    def __init__(self, failing: dict[int, BaseException]) -> None:
        self.failing = failing
        self.done: list[int] = []
        self.parked: dict[int, str] = {}

    async def work(self, item: int) -> None:
        if item in self.failing:
            raise self.failing[item]
        self.done.append(item)

    async def park(self, item: int, reason: str) -> None:
        self.parked[item] = reason


async def counted(end: int) -> AsyncIterator[int]:
    for number in range(end):
        yield number


async def test_an_item_that_fails_is_parked_with_its_reason_and_the_others_are_done() -> None:
    items = Items({1: ValueError("a line break"), 3: Permanent("no such account"), 4: asyncio.CancelledError()})
    await each(counted(6), items.work, park=items.park)
    assert items.done == [0, 2, 5]
    assert items.parked == {1: "ValueError: a line break", 3: "no such account", 4: "CancelledError: "}


async def test_an_item_that_fails_for_now_is_not_parked_and_the_round_is_one_that_failed() -> None:
    items = Items({1: Temporary("router is away")})
    with pytest.raises(Temporary, match="1 items failed for now: router is away"):
        await each(range(3), items.work, park=items.park)
    assert (items.done, items.parked) == ([0, 2], {})


async def test_a_round_ends_early_when_item_after_item_fails_for_now() -> None:
    items = Items({number: Temporary("away") for number in range(1, 1000)})
    with pytest.raises(Temporary, match=f"{TEMPORARY_IN_A_ROW} items failed for now"):
        await each(range(2000), items.work, park=items.park)
    assert items.done == [0]

"""The embedded MongoDB is restarted, and given up after a while."""

from __future__ import annotations

from typing import Any, cast

import pytest

from libs.envelope import Temporary
from libs.runtime.embedded_database import GIVE_UP_AFTER, DatabaseSupervisor
from libs.runtime.periodic import MustEnd
from libs.telemetry import Metrics


class Server:
    """`revive` says whether the server had ended, or fails."""

    def __init__(self) -> None:
        self.had_ended = False
        self.fails = False

    async def revive(self) -> bool:
        if self.fails:
            raise Temporary("the disk is full")
        return self.had_ended


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_restarts_are_counted() -> None:
    server, metrics = Server(), Metrics()
    supervisor = DatabaseSupervisor(cast(Any, server), metrics)
    await supervisor.check()
    assert "facteur_embedded_database_restarts_total 0.0" in metrics.render().decode()
    server.had_ended = True
    await supervisor.check()
    assert "facteur_embedded_database_restarts_total 1.0" in metrics.render().decode()


async def test_a_server_that_cannot_be_started_for_long_ends_the_process() -> None:
    server, clock = Server(), Clock()
    supervisor = DatabaseSupervisor(cast(Any, server), Metrics(), clock=clock)
    server.fails = True
    for seconds in (0.0, GIVE_UP_AFTER.total_seconds()):
        clock.now = seconds
        with pytest.raises(Temporary, match="the disk is full"):
            await supervisor.check()
    clock.now += 1
    with pytest.raises(MustEnd, match="the disk is full"):
        await supervisor.check()


async def test_the_time_begins_anew_after_a_success() -> None:
    server, clock = Server(), Clock()
    supervisor = DatabaseSupervisor(cast(Any, server), Metrics(), clock=clock)
    for fails in (True, False, True):
        server.fails = fails
        clock.now += GIVE_UP_AFTER.total_seconds()
        if fails:
            with pytest.raises(Temporary):
                await supervisor.check()
        else:
            await supervisor.check()

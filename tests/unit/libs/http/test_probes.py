"""Health, readiness and metrics: what a probe is told, and what it is told besides when it asks for all."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from libs.envelope import Temporary
from libs.http import Checks
from libs.http.probes import probe_routes
from libs.telemetry import Metrics


async def fits() -> None:
    pass


async def fails() -> None:
    raise Temporary("the broker does not answer")


async def hangs() -> None:
    await asyncio.Event().wait()


async def raises() -> None:
    raise KeyError("bug")


REASONS = {
    "nothing to look at": ({}, {}),
    "all fits": ({"bus": fits, "database": fits}, {}),
    "one is missing": ({"bus": fails, "database": fits}, {"bus": "the broker does not answer"}),
    "one does not answer": ({"engine": hangs}, {"engine": "no answer within 0.05 s"}),
    "one has a bug": ({"engine": raises}, {"engine": "the check failed: KeyError"}),
    "two are missing": (
        {"bus": fails, "engine": raises},
        {"bus": "the broker does not answer", "engine": "the check failed: KeyError"},
    ),
}


async def ask(path: str, **checks: Any) -> httpx.Response:
    app = FastAPI()
    app.include_router(probe_routes(Checks(**checks, deadline=timedelta(seconds=0.05)), Metrics()))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://router") as client:
        return await client.get(path)


@pytest.mark.parametrize(("checks", "missing"), REASONS.values(), ids=REASONS.keys())
async def test_a_service_that_cannot_answer_is_not_ready_and_says_why(
    checks: dict[str, Any], missing: dict[str, str]
) -> None:
    response = await ask("/readyz", ready=checks)
    assert response.status_code == (503 if missing else 200)
    assert response.json() == {"status": "not ready" if missing else "ready", "missing": missing}


@pytest.mark.parametrize(("checks", "missing"), REASONS.values(), ids=REASONS.keys())
@pytest.mark.parametrize("kind", ["dependencies", "background"])
async def test_what_is_away_leaves_a_service_ready_and_is_shown_to_who_asks_for_all(
    kind: str, checks: dict[str, Any], missing: dict[str, str]
) -> None:
    response = await ask("/readyz", **{kind: checks})
    assert (response.status_code, response.json()) == (200, {"status": "ready", "missing": {}})
    for question in ("/readyz?verbose", "/readyz?verbose=1"):
        response = await ask(question, **{kind: checks})
        assert response.status_code == 200
        document = response.json()
        assert (document["status"], document["missing"]) == ("ready", missing)
        good, bad = ("up", "down") if kind == "dependencies" else ("ok", "failing")
        assert document[kind] == {name: bad if name in missing else good for name in checks}


async def test_what_is_away_is_not_even_asked_for_a_plain_probe() -> None:
    async with asyncio.timeout(10):
        response = await ask("/readyz", dependencies={"database": hangs})
    assert response.elapsed < timedelta(seconds=5)  # the check of the database would take for ever


async def test_a_service_that_is_not_ready_shows_all_as_well() -> None:
    response = await ask("/readyz?verbose", ready={"service": fails}, dependencies={"database": raises})
    assert response.status_code == 503
    assert response.json()["missing"].keys() == {"service", "database"}


async def test_health_answers_while_the_service_cannot_work() -> None:
    assert (await ask("/healthz", ready={"service": fails})).json() == {"status": "ok"}


async def test_metrics_are_prometheus_text() -> None:
    response = await ask("/metrics")
    assert response.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert "process_cpu_seconds_total" in response.text

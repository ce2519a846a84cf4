"""The page of the documentation in a real browser that reaches this server and nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from fastapi import APIRouter
from playwright.async_api import Request, async_playwright

from libs.http import Checks, Connections, Server, application
from libs.telemetry import Metrics
from tests.servers.tokens import tokens_in

CHROMIUM = "/usr/bin/chromium"


@pytest.fixture
async def url(tmp_path: Path, free_port: Callable[[], int]) -> AsyncIterator[str]:
    router, port = APIRouter(prefix="/v1"), free_port()

    @router.get("/letters", summary="Letters that came in")
    async def letters() -> list[str]:
        return []

    app = application("x", routers=[router], checks=Checks(), metrics=Metrics(), tokens=tokens_in(tmp_path))
    limits = Connections(limit=50, limit_per_network=50)
    server = Server(app, addresses=["127.0.0.1"], port=port, connections=limits)
    await server.start()
    yield f"http://127.0.0.1:{port}"
    await server.stop()


async def test_the_documentation_is_drawn_without_the_internet(url: str) -> None:
    asked: list[str] = []
    complaints: list[str] = []

    def noted(request: Request) -> None:
        asked.append(request.url)

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        page = await browser.new_page()
        page.on("request", noted)
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        await page.goto(f"{url}/docs")
        await page.get_by_text("Letters that came in").wait_for(timeout=30_000)
        await browser.close()
    assert [each for each in asked if not each.startswith((f"{url}/", "data:"))] == []
    assert complaints == []

"""The HTTP API of every service, as its documentation has it: explained, and closed to those without a token."""

from __future__ import annotations

import importlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from libs.blobs.files import FileBlobs
from libs.bus.embedded import EmbeddedBus
from libs.http import Role, Tokens
from libs.mongo import Mongo
from libs.runtime import Outbox, Shared
from libs.runtime.http_server import http_server
from services import SERVICES

# What probes and scrapers ask.
OPEN = {"/healthz", "/readyz", "/metrics"}


@pytest.fixture
async def shared(tmp_path: Path, mongo: Mongo) -> AsyncIterator[Shared]:
    files = {role: tmp_path / role for role in Role}
    for role, path in files.items():
        path.write_text(role)
    bus, blobs = EmbeddedBus(tmp_path / "bus"), FileBlobs(tmp_path / "blobs")
    await bus.start()
    yield Shared(bus, blobs, mongo, Tokens(files), Outbox(bus, blobs, inline_limit_bytes=1000))
    await bus.close()


@pytest.fixture(params=SERVICES)
async def app(request: pytest.FixtureRequest, shared: Shared, tmp_path: Path) -> AsyncIterator[FastAPI]:
    """Composed as in life, and not started."""
    module = importlib.import_module(f"services.{request.param}.app")
    async with module.build(module.Settings(var_dir=tmp_path), shared) as service:
        yield http_server(service, shared, {}).app


@pytest.fixture
async def http(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as http:
        yield http


def operations(app: FastAPI) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in app.openapi()["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


async def test_every_operation_is_documented(app: FastAPI) -> None:
    assert app.openapi()["openapi"].startswith("3.1")
    for method, path, operation in operations(app):
        summary = operation["summary"]
        made_of_the_name = operation["operationId"].replace("_", " ").startswith(summary.lower())
        assert summary[0].isupper(), f"{method} {path}: {summary}"
        assert not made_of_the_name, f"{method} {path} has no summary"
        assert operation["tags"], f"{method} {path} belongs nowhere"
        assert path in OPEN or path.startswith("/v1/"), path


async def test_no_token_no_answer(app: FastAPI, http: httpx.AsyncClient) -> None:
    tried = 0
    for method, path, operation in operations(app):
        url = path.replace("{", "").replace("}", "")
        answer = await http.request(method, url)
        if path in OPEN:
            assert answer.status_code in (200, 503), f"{method} {path}"
            continue
        tried += 1
        assert answer.status_code == 401, f"{method} {path}"
        assert operation["security"] == [{"HTTPBearer": []}], f"{method} {path} names no role"
    assert tried > 0

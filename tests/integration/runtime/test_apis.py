"""The HTTP API of every service, as its documentation has it: explained, and closed to those without a token."""

from __future__ import annotations

import importlib
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from structlog.testing import capture_logs

from libs.blobs.files import FileBlobs
from libs.bus.embedded import EmbeddedBus
from libs.http import ADMIN, APPLICATION, Checks
from libs.http.openapi import operations as operations_of
from libs.mongo import Mongo
from libs.runtime import Shared
from libs.runtime.http_server import http_server
from services import SERVICES
from tests.servers.replicas import shared_in
from tests.servers.tokens import APPLICATION_NAME, bearer

# What probes and scrapers ask.
OPEN = {"/healthz", "/readyz", "/metrics"}


@pytest.fixture
async def shared(tmp_path: Path, mongo: Mongo) -> AsyncIterator[Shared]:
    bus, blobs = EmbeddedBus(tmp_path / "bus"), FileBlobs(tmp_path / "blobs")
    await bus.start()
    yield shared_in(tmp_path, mongo, bus, blobs=blobs, inline_limit_bytes=1000)
    await bus.close()


@pytest.fixture(params=SERVICES)
async def app(request: pytest.FixtureRequest, shared: Shared, tmp_path: Path) -> AsyncIterator[FastAPI]:
    """Composed as in life, and not started."""
    module = importlib.import_module(f"services.{request.param}.app")
    settings = module.Settings(var_dir=tmp_path)
    async with module.build(settings, shared.of(module.NAME, settings)) as service:
        yield http_server(service, shared, Checks()).app


@pytest.fixture
async def http(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as http:
        yield http


def operations(app: FastAPI) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, method, operation in operations_of(app.openapi()):
        yield method.upper(), path, operation


async def test_every_operation_is_documented(app: FastAPI) -> None:
    assert app.openapi()["openapi"].startswith("3.1")
    for method, path, operation in operations(app):
        summary = operation["summary"]
        made_of_the_name = summary == re.sub("([A-Z])", r" \1", operation["operationId"]).title()
        assert summary[0].isupper(), f"{method} {path}: {summary}"
        assert not made_of_the_name, f"{method} {path} has no summary"
        assert operation["tags"], f"{method} {path} belongs nowhere"
        assert path in OPEN or path.startswith("/v1/"), path


def lacking(document: dict[str, Any]) -> Iterator[str]:
    """Everything in a document that has no description."""
    if not document["info"].get("description"):
        yield "info"
    for path, method, operation in operations_of(document):
        name = f"{method.upper()} {path}"
        if not operation.get("description", "").partition("Callers:")[0].strip():
            yield name
        for each in operation.get("parameters", []):
            if not each.get("description"):
                yield f"{name}: parameter {each['name']}"
        for status, response in operation["responses"].items():
            if not response.get("description"):
                yield f"{name}: response {status}"
    for tag in document["tags"]:
        if not tag["description"]:
            yield f"tag {tag['name']}"
    for name, schema in document["components"]["schemas"].items():
        if not schema.get("description"):
            yield f"schema {name}"
        for member, described in schema.get("properties", {}).items():
            if not described.get("description"):
                yield f"schema {name}: {member}"


async def test_nothing_lacks_a_description(app: FastAPI) -> None:
    assert list(lacking(app.openapi())) == []


async def test_bodies_have_examples(app: FastAPI) -> None:
    schemas = app.openapi()["components"]["schemas"]
    for method, path, operation in operations(app):
        schema = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
        for name in re.findall(r"#/components/schemas/(\w+)", str(schema)):
            has_examples = "examples" in schemas[name] or "examples" in str(schemas[name].get("properties"))
            assert has_examples, f"{method} {path}: {name}"


async def test_every_error_is_a_problem_document(app: FastAPI) -> None:
    for method, path, operation in operations(app):
        for status, response in operation["responses"].items():
            if status >= "400" and path not in OPEN:
                assert list(response["content"]) == ["application/problem+json"], f"{method} {path} {status}"
    assert "HTTPValidationError" not in app.openapi()["components"]["schemas"]


async def test_lists_are_pages_and_times_have_plain_names(app: FastAPI) -> None:
    for method, path, operation in operations(app):
        answer = operation["responses"].get("200", {}).get("content", {}).get("application/json", {})
        assert answer.get("schema", {}).get("type") not in ("array", "string"), f"{method} {path}"
        for each in operation.get("parameters", []):
            if each["name"] == "limit":
                assert each["schema"]["maximum"] == 200, f"{method} {path}"


async def test_what_is_created_has_a_location(app: FastAPI) -> None:
    for method, path, operation in operations(app):
        if "201" in operation["responses"]:
            assert "Location" in operation["responses"]["201"]["headers"], f"{method} {path}"


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


async def audit_lines(http: httpx.AsyncClient, method: str, path: str, **options: Any) -> list[dict[str, Any]]:
    with capture_logs() as lines:
        await http.request(method, path.replace("{", "").replace("}", ""), headers=bearer(), **options)
    return [dict(line) for line in lines if line["event"] == "audit"]


async def test_every_operation_that_changes_something_leaves_one_line_in_the_audit_trail(
    app: FastAPI, http: httpx.AsyncClient
) -> None:
    for method, path, operation in operations(app):
        if method == "GET":
            continue
        [line] = await audit_lines(http, method, path, json={"secret": "hunter2"})
        assert line["operation"] == operation["operationId"], f"{method} {path}"
        assert (line["by"], line["client"], f"Facteur {line['service']}") == (ADMIN, "127.0.0.1", app.title)
        assert line["target"].startswith("/v1/"), line
        assert line["outcome"] in ("done", "refused", "failed"), line
        assert "hunter2" not in str(line)


FOREIGN_MAIL = ("/raw", "/headers", "/parts", "/parts/{number}", "/messages", "/messages/{id}", "/search")


async def test_reading_the_mail_of_others_leaves_a_line_in_the_audit_trail(
    app: FastAPI, http: httpx.AsyncClient
) -> None:
    for method, path, operation in operations(app):
        if method == "GET" and path.startswith("/v1/mailboxes") and path.endswith(FOREIGN_MAIL):
            [line] = await audit_lines(http, method, path.replace("{number}", "1"))
            assert line["operation"] == operation["operationId"], path
        if method == "GET" and path.startswith("/v1/quarantine"):
            assert len(await audit_lines(http, method, path)) == 1, path


async def test_every_body_is_closed(app: FastAPI) -> None:
    """A member that does not exist is refused, and the document says so."""
    schemas = app.openapi().get("components", {}).get("schemas", {})
    for method, path, operation in operations(app):
        content = operation.get("requestBody", {}).get("content", {})
        for name in re.findall(r"#/components/schemas/(\w+)", str(content.get("application/json", {}))):
            assert "additionalProperties" in schemas[name], f"{method} {path}: {name}"


# What others than the administrator may ask, by service: everything else is 403 for them.
CALLERS: dict[str, dict[tuple[str, str], set[str]]] = {
    "ingress": {("POST", "/v1/messages"): {*SERVICES, APPLICATION} - {"ingress"}},
    "antivirus": {
        ("POST", "/v1/scan"): {APPLICATION},
        ("GET", "/v1/engines"): {APPLICATION},
        ("GET", "/v1/statistics"): {APPLICATION},
    },
    "antispam": {
        ("POST", "/v1/check"): {APPLICATION},
        ("GET", "/v1/filters"): {APPLICATION},
        ("GET", "/v1/facts"): {APPLICATION},
        ("GET", "/v1/receptions/{domain}"): {"ingress"},
        ("POST", "/v1/admissions"): {"ingress"},
        ("GET", "/v1/policies/{domain}"): {"store"},
        ("POST", "/v1/lists/{list}"): {"store"},
    },
    "router": {
        ("GET", "/v1/births/{account}"): {"store"},
        ("GET", "/v1/recipients/{address}"): {"ingress", "quota"},
        ("POST", "/v1/authentications"): {"ingress"},
        ("GET", "/v1/senders/{account}"): {"ingress", "antispam"},
        ("GET", "/v1/junk-keeps"): {"store"},
    },
    "store": {
        ("GET", "/v1/mailboxes/{address}/usage"): {"quota"},
        ("GET", "/v1/mailboxes/{address}/messages/{id}/raw"): {"antispam"},
    },
    "quota": {
        ("GET", "/v1/usage/{address}"): {"ingress"},
        ("POST", "/v1/limits/queries"): {"store"},
        ("POST", "/v1/sends"): {"ingress"},
    },
    "relay": {},
}


async def test_each_operation_answers_its_callers_and_no_others(
    app: FastAPI, http: httpx.AsyncClient, request: pytest.FixtureRequest
) -> None:
    declared = CALLERS[request.node.callspec.params["app"]]
    seen = set()
    for method, path, _ in operations(app):
        if path in OPEN:
            continue
        seen.add((method, path))
        # Parameters are checked before callers: a number has to be one.
        concrete = path.replace("{number}", "1").replace("{", "").replace("}", "")
        allowed = {ADMIN, *declared.get((method, path), ())}
        for caller in (ADMIN, APPLICATION, *SERVICES):
            token = APPLICATION_NAME if caller == APPLICATION else caller
            answer = await http.request(method, concrete, headers=bearer(token))
            assert (answer.status_code != 403) == (caller in allowed), f"{method} {path} by {caller}: {answer.text}"
    assert set(declared) <= seen

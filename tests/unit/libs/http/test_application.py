"""What every service answers alike: problem documents, tokens, limits, probes."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any

import httpx
import pytest
from fastapi import APIRouter, Body, Depends, HTTPException, Request
from pydantic import BaseModel, Field, SecretStr
from structlog.testing import capture_logs

from libs.envelope import Permanent, Temporary
from libs.http import ADMIN, APPLICATION, Checks, Problem, Tokens, application, require
from libs.telemetry import Metrics

LIMIT = 1000


class Account(BaseModel):
    address: str = Field(max_length=20)
    password: SecretStr = Field(min_length=8)


def a_router() -> APIRouter:
    router = APIRouter(prefix="/v1")

    def raises(error: Exception) -> Callable[[], None]:
        def route() -> None:
            raise error

        return route

    for path, error in {
        "problem": Problem(409, "it exists", id="a1"),
        "framework": HTTPException(418, "a teapot"),
        "temporary": Temporary("mongo at 10.0.0.1 is away"),
        "permanent": Permanent("nobody can do this"),
        "bug": KeyError("secret detail"),
        "group": ExceptionGroup("several", [ValueError("secret detail")]),
    }.items():
        router.add_api_route(f"/{path}", raises(error), name=f"raise_{path}")

    @router.post("/accounts")
    async def create(account: Account) -> str:
        return account.address

    @router.post("/raw")
    async def raw(request: Request) -> int:
        return len(await request.body())

    @router.get("/several", name="read_several")
    @router.put("/several", name="write_several")
    async def several() -> str:
        return "done"

    @router.delete("/several")
    async def fewer() -> str:
        return "done"

    @router.post("/stream")
    async def stream(request: Request) -> int:
        return sum([len(chunk) async for chunk in request.stream()])

    @router.post("/body")
    async def body(content: Annotated[bytes, Body()]) -> int:
        return len(content)

    @router.get("/admin", dependencies=[Depends(require(ADMIN))])
    async def admin() -> str:
        return "done"

    @router.get("/either")
    async def either(caller: Annotated[str, Depends(require(ADMIN, APPLICATION, "store"))]) -> str:
        return caller

    return router


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    files = {name: tmp_path / "callers" / name for name in ("store", "relay", "billing")}
    (tmp_path / "callers").mkdir()
    for name, path in files.items():
        path.write_text(f"{name}-token")
    files[ADMIN] = tmp_path / "admin"
    files[ADMIN].write_text("admin-token\n")
    return files


def tokens_of(files: dict[str, Path]) -> Tokens:
    services = frozenset({"store", "relay"})
    return Tokens(admin=files[ADMIN], directory=files["store"].parent, own={"store": files["store"]}, services=services)


@pytest.fixture
async def http(files: dict[str, Path]) -> AsyncIterator[httpx.AsyncClient]:
    app = application(
        "router",
        routers=[a_router()],
        checks=Checks(),
        metrics=Metrics(),
        tokens=tokens_of(files),
        body_limit_bytes=LIMIT,
    )
    # An exception that left the application would be raised here.
    transport, headers = httpx.ASGITransport(app), {"authorization": "Bearer admin-token"}
    async with httpx.AsyncClient(transport=transport, base_url="http://router", headers=headers) as client:
        yield client


def the_problem(response: httpx.Response) -> dict[str, Any]:
    assert response.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = response.json()
    assert document["status"] == response.status_code
    assert document["type"].startswith("urn:facteur:problem:") or response.status_code == 418
    assert document["title"]
    return document


ERRORS = {
    "ours": ("GET", "/v1/problem", 409, "it exists"),
    "the framework's": ("GET", "/v1/framework", 418, "a teapot"),
    "temporary": ("GET", "/v1/temporary", 503, "temporarily unavailable, try again"),
    "permanent": ("GET", "/v1/permanent", 422, "nobody can do this"),
    "a bug": ("GET", "/v1/bug", 500, "internal error; the log has the details"),
    "several bugs": ("GET", "/v1/group", 500, "internal error; the log has the details"),
    "no such path": ("GET", "/v1/nothing", 404, "Not Found"),
    "no such method": ("DELETE", "/v1/problem", 405, "Method Not Allowed"),
    "no body": ("POST", "/v1/accounts", 422, "the request is not valid"),
}


@pytest.mark.parametrize(("method", "path", "status", "detail"), ERRORS.values(), ids=ERRORS.keys())
async def test_every_error_is_a_problem_document(
    http: httpx.AsyncClient, method: str, path: str, status: int, detail: str
) -> None:
    response = await http.request(method, path)
    document = the_problem(response)
    assert (response.status_code, document["detail"]) == (status, detail)
    assert "secret" not in response.text
    assert "10.0.0.1" not in response.text


async def test_a_problem_may_say_more(http: httpx.AsyncClient) -> None:
    assert (await http.get("/v1/problem")).json()["id"] == "a1"


async def test_headers_that_the_protocol_asks_for_are_there(http: httpx.AsyncClient) -> None:
    assert (await http.get("/v1/temporary")).headers["retry-after"] == "5"
    assert (await http.delete("/v1/problem")).headers["allow"] == "GET, HEAD, OPTIONS"


async def test_a_bug_is_logged_once_with_its_trace(http: httpx.AsyncClient) -> None:
    with capture_logs() as lines:
        await http.get("/v1/bug")
    [line] = lines
    assert (line["event"], line["path"]) == ("request_failed", "/v1/bug")
    assert isinstance(line["exc_info"], KeyError)


BODIES = {
    "no JSON": b"{",
    "no object": b"[]",
    "a field is missing": b'{"password": "hunter2hunter2"}',
    "too long": b'{"address": "%b", "password": "hunter2hunter2"}' % (b"a" * 30),
    "password too short": b'{"address": "a", "password": "hunter2"}',
    "a lone surrogate": b'{"address": "\\ud800", "password": "hunter2hunter2"}',
    "not UTF-8": b'{"address": "\xff", "password": "hunter2hunter2"}',
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
async def test_a_body_that_does_not_fit_names_the_field_and_repeats_no_value(
    http: httpx.AsyncClient, body: bytes
) -> None:
    response = await http.post("/v1/accounts", content=body, headers={"content-type": "application/json"})
    assert response.status_code in (400, 422)
    the_problem(response)
    assert "hunter2" not in response.text


async def chunks(*sizes: int) -> AsyncIterator[bytes]:
    for size in sizes:
        yield b"x" * size


@pytest.mark.parametrize("path", ["/v1/raw", "/v1/stream", "/v1/body", "/v1/accounts"])
async def test_a_body_above_the_limit_is_413_by_its_length_and_as_it_arrives(
    http: httpx.AsyncClient, path: str
) -> None:
    json = {"content-type": "application/json"}
    by_length = await http.post(path, content=b"x" * (LIMIT + 1), headers=json)
    as_it_arrives = await http.post(path, content=chunks(LIMIT, 1), headers=json)
    assert "content-length" not in as_it_arrives.request.headers
    for response in (by_length, as_it_arrives):
        assert response.status_code == 413
        assert the_problem(response)["detail"] == f"the body is larger than {LIMIT} bytes"


async def test_a_body_at_the_limit_is_taken(http: httpx.AsyncClient) -> None:
    assert (await http.post("/v1/raw", content=b"x" * LIMIT)).json() == LIMIT
    assert (await http.post("/v1/stream", content=chunks(LIMIT - 1, 1))).json() == LIMIT


NO_TOKEN = {
    "none": {},
    "empty": {"authorization": "Bearer "},
    "wrong": {"authorization": "Bearer guess"},
    "wrong by a letter": {"authorization": "Bearer admin-tokem"},
    "another scheme": {"authorization": "Basic YWRtaW46YWRtaW4="},
    "no scheme": {"authorization": "admin-token"},
    "not ASCII": {"authorization": "Bearer caf\u00e9".encode("latin-1")},
}


@pytest.mark.parametrize("headers", NO_TOKEN.values(), ids=NO_TOKEN.keys())
async def test_without_a_known_token_there_is_always_the_same_401(
    http: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    del http.headers["authorization"]
    for method, path in (("GET", "/v1/admin"), ("GET", "/v1/problem"), ("GET", "/v1/nothing"), ("DELETE", "/v1/raw")):
        response = await http.request(method, path, headers=headers)
        the_401(response)
    for body in (b"{", b"x" * (LIMIT + 1)):  # nothing of it is read
        the_401(await http.post("/v1/accounts", headers=headers, content=body))


def the_401(response: httpx.Response) -> None:
    assert response.status_code == 401
    assert the_problem(response)["detail"] == "a bearer token is needed"
    assert response.headers["www-authenticate"] == "Bearer"


async def test_the_token_of_another_caller_is_403(http: httpx.AsyncClient) -> None:
    response = await http.get("/v1/admin", headers={"authorization": "Bearer store-token"})
    assert response.status_code == 403
    assert the_problem(response)["detail"] == "this is for admin"
    assert response.headers["www-authenticate"] == 'Bearer error="insufficient_scope"'


@pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
async def test_a_known_token_tells_its_caller(http: httpx.AsyncClient, scheme: str) -> None:
    for name, caller in ((ADMIN, ADMIN), ("store", "store"), ("billing", "application:billing")):
        response = await http.get("/v1/either", headers={"authorization": f"{scheme} {name}-token"})
        assert response.json() == caller
    refused = await http.get("/v1/either", headers={"authorization": f"{scheme} relay-token"})
    assert refused.status_code == 403


async def test_a_file_may_hold_the_digest_of_a_token_and_opens_with_the_token_alone(
    http: httpx.AsyncClient, files: dict[str, Path]
) -> None:
    digest = f"sha256:{sha256(b'secret').hexdigest()}"
    files["store"].write_text(digest + "\n")
    answers = [await http.get("/v1/either", headers={"authorization": f"Bearer {text}"}) for text in ("secret", digest)]
    assert [answer.status_code for answer in answers] == [200, 401]
    with pytest.raises(OSError, match="holds no token"):
        tokens_of(files).own("store")


async def test_a_caller_comes_and_goes_with_its_file(http: httpx.AsyncClient, files: dict[str, Path]) -> None:
    async def status() -> int:
        return (await http.get("/v1/either", headers={"authorization": "Bearer fresh-token"})).status_code

    assert await status() == 401
    fresh = files["store"].with_name("fresh")
    fresh.write_text("fresh-token")
    assert await status() == 200
    fresh.unlink()
    assert await status() == 401


async def test_no_file_makes_another_administrator(http: httpx.AsyncClient, files: dict[str, Path]) -> None:
    files["store"].with_name(ADMIN).write_text("second-token")
    assert (await http.get("/v1/admin", headers={"authorization": "Bearer second-token"})).status_code == 401


async def test_a_token_rotates_without_a_restart(http: httpx.AsyncClient, files: dict[str, Path]) -> None:
    async def status(token: str) -> int:
        return (await http.get("/v1/admin", headers={"authorization": f"Bearer {token}"})).status_code

    assert await status("admin-token") == 200
    before = files[ADMIN].stat()
    files[ADMIN].write_text("newer-token\n")  # as long as the first
    os.utime(files[ADMIN], ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    assert (await status("admin-token"), await status("newer-token")) == (401, 200)
    # As Kubernetes does it: another file under the same name, here with the same time.
    other = files[ADMIN].with_name("other")
    other.write_text("third-token\n")
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    other.rename(files[ADMIN])
    assert (await status("newer-token"), await status("third-token")) == (401, 200)
    files[ADMIN].unlink()
    assert await status("third-token") == 401
    assert await status("") == 401


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe"], ids=["empty", "a line end", "binary"])
async def test_a_token_file_without_a_token_opens_nothing(
    http: httpx.AsyncClient, files: dict[str, Path], content: bytes
) -> None:
    files[ADMIN].write_bytes(content)
    for header in (b"Bearer", b"Bearer ", b"Bearer \xff\xfe"):
        response = await http.get("/v1/admin", headers={b"authorization": header})
        assert response.status_code == 401


def test_the_documentation_says_which_operations_need_a_token(files: dict[str, Path]) -> None:
    app = application("router", routers=[a_router()], checks=Checks(), metrics=Metrics(), tokens=tokens_of(files))
    paths = app.openapi()["paths"]
    assert paths["/v1/admin"]["get"]["security"] == [{"HTTPBearer": []}]
    assert "security" not in paths["/healthz"]["get"]


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/docs", "/docs/swagger-ui.css", "/openapi.json"])
async def test_what_is_nobodys_secret_needs_no_token(http: httpx.AsyncClient, path: str) -> None:
    del http.headers["authorization"]
    assert (await http.get(path)).status_code == 200


ALLOWED = {
    "one method": ("/v1/problem", "GET, HEAD, OPTIONS"),
    "several routes of one path": ("/v1/several", "GET, PUT, DELETE, HEAD, OPTIONS"),
    "no GET": ("/v1/stream", "POST, OPTIONS"),
    "health": ("/healthz", "GET, HEAD, OPTIONS"),
}


@pytest.mark.parametrize(("path", "allowed"), ALLOWED.values(), ids=ALLOWED.keys())
async def test_allow_names_every_method_of_the_path(http: httpx.AsyncClient, path: str, allowed: str) -> None:
    refused = await http.request("PATCH", path)
    assert (refused.status_code, refused.headers["allow"]) == (405, allowed)
    told = await http.options(path)
    assert (told.status_code, told.headers["allow"], told.content) == (204, allowed, b"")


async def test_options_of_a_path_that_does_not_exist_is_404(http: httpx.AsyncClient) -> None:
    assert (await http.options("/v1/nothing")).status_code == 404


async def test_options_need_a_token_like_every_other_method(http: httpx.AsyncClient) -> None:
    assert (await http.options("/v1/problem", headers={"authorization": "Bearer wrong"})).status_code == 401


async def test_a_slash_too_many_is_404_and_redirects_nowhere(http: httpx.AsyncClient) -> None:
    for path in ("/v1/problem/", "/healthz/", "/v1//problem"):
        response = await http.get(path, headers={"host": "elsewhere.example"})
        assert response.status_code == 404
        assert "location" not in response.headers

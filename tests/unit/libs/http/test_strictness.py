"""What no route has to say: bodies, parameters, cursors, preconditions and keys are read strictly everywhere."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import httpx
import pytest
from fastapi import APIRouter, Depends, Query, Response
from pydantic import AwareDatetime, Field, SecretStr
from structlog.testing import capture_logs

from libs.http import (
    ADMIN,
    After,
    Audit,
    Cursor,
    IfMatch,
    QueryModel,
    RequestBody,
    Tokens,
    application,
    audited,
    birth_mark,
    entity_tag,
    question,
    require,
    strict,
)
from libs.http.idempotency import Idempotency
from libs.http.names import Address, Count, DomainName, MailboxAddress, Moment, PeerAddress
from libs.http.probes import Checks
from libs.telemetry import Metrics

PAGES = Cursor("things", (int,))
OTHERS = Cursor("others", (int,))
TAG = entity_tag(3, "abc")


class Thing(RequestBody):
    limit_bytes: Count | None = None
    share: float = 0.5
    locked: bool = False
    peer: PeerAddress | None = None
    until: Moment | None = None
    names: tuple[str, ...] = ()
    address: Address | None = None
    mailbox: MailboxAddress | None = None
    domain: DomainName | None = None


class Login(RequestBody):
    password: SecretStr


class Wanted(QueryModel):
    subject: str = Field("", alias="about")
    larger_than: int | None = None
    flag: list[str] = Field([])


def routes() -> APIRouter:
    router = APIRouter(prefix="/v1")

    @router.post("/things", status_code=201)
    async def make(body: Thing, once: Idempotency, response: Response) -> dict[str, Any]:
        response.headers["Location"] = "/v1/things/a%2Fb"
        return {"body": body.model_dump(mode="json"), "once": [once.key, once.fingerprint] if once else None}

    @router.post("/others", status_code=201)
    async def other(body: dict[str, Any], once: Idempotency) -> dict[str, Any]:
        return {"once": [once.key, once.fingerprint] if once else None}

    @router.post("/things/secrets", dependencies=[Depends(require(ADMIN))])
    async def secret(body: Thing) -> None: ...

    @router.post("/logins")
    async def login(body: Login) -> str:
        return body.password.get_secret_value()

    @router.post("/things/queries")
    @question
    async def ask(body: Thing) -> None: ...

    @router.get("/things")
    async def listing(
        flag: Annotated[list[str], Query()] = [],  # noqa: B006
        whole: bool = False,
        limit: Annotated[int, Query(ge=1, le=100)] = 50,
        since: AwareDatetime | None = None,
        first: date | None = None,
        after: After = None,
    ) -> dict[str, Any]:
        return {"since": since, "after": PAGES.number(after)}

    @router.get("/search")
    async def search(query: Annotated[Wanted, Query()]) -> Wanted:
        return query

    @router.get("/things/{number}")
    @audited
    async def read(number: int) -> int:
        return number

    @router.patch("/things/{number}")
    async def edit(number: int, match: IfMatch) -> None:
        match.check(TAG)

    @router.get("/pages/{name}", include_in_schema=False)
    async def page(name: str) -> str:
        return name

    @router.post("/pages/{name}", include_in_schema=False)
    async def act(name: str) -> str:
        return name

    return router


@pytest.fixture
async def http(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    (tmp_path / "callers").mkdir()
    (tmp_path / "admin").write_text("admin-token")
    (tmp_path / "callers" / "store").write_text("store-token")
    tokens = Tokens(
        admin=tmp_path / "admin", directory=tmp_path / "callers", own={}, services=frozenset({"store", "relay"})
    )
    app = application("router", routers=[strict(routes())], checks=Checks(), metrics=Metrics(), tokens=tokens)
    app.add_middleware(Audit, service="router")
    transport, headers = httpx.ASGITransport(app), {"authorization": "Bearer admin-token"}
    async with httpx.AsyncClient(transport=transport, base_url="http://router", headers=headers) as client:
        yield client


async def post(http: httpx.AsyncClient, body: str | bytes, path: str = "/v1/things", **headers: str) -> httpx.Response:
    return await http.post(path, content=body, headers={"content-type": "application/json", **headers})


BAD_BODIES = {
    "a member that does not exist": '{"limit": 1}',
    "a boolean for a number": '{"limit_bytes": false}',
    "true for a number": '{"limit_bytes": true}',
    "a text for a number": '{"limit_bytes": "5"}',
    "a fraction for a whole number": '{"limit_bytes": 1.0}',
    "a huge power": '{"limit_bytes": 1e23}',
    "beyond 64 bits": '{"limit_bytes": 9223372036854775808}',
    "a number of 5,000 digits": '{"limit_bytes": %s}' % ("9" * 5000),
    "below zero": '{"limit_bytes": -1}',
    "a number for a boolean": '{"locked": 1}',
    "a word for a boolean": '{"locked": "yes"}',
    "a number for a peer": '{"peer": 2130706433}',
    "a number for a moment": '{"until": 20261127}',
    "digits for a moment": '{"until": "20261127"}',
    "a moment without a zone": '{"until": "2026-11-27T08:00:00"}',
    "a day for a moment": '{"until": "2026-11-27"}',
    "a month that is none": '{"until": "2026-13-01T00:00:00Z"}',
    "before the calendar": '{"until": "0001-01-01T00:00:00+10:00"}',
    "behind the calendar": '{"until": "9999-12-31T23:59:59-10:00"}',
    "NaN": '{"share": NaN}',
    "infinity": '{"share": Infinity}',
    "an infinite number": '{"share": 1e999}',
    "a boolean for a fraction": '{"share": true}',
    "a text for a list": '{"names": "a"}',
    "NUL": '{"names": ["a\\u0000b"]}',
    "NUL in a name": '{"a\\u0000": 1}',
    "half a pair": '{"names": ["\\ud800"]}',
    "a member twice": '{"locked": true, "locked": false}',
    "not UTF-8": b'{"names": ["\xff"]}',
    "UTF-16": '{"locked": true}'.encode("utf-16"),
    "a list": "[]",
    "too deep": "[" * 100_000,
    "text behind the end": '{"locked": true} x',
    "a bad address": '{"address": "a@b@c"}',
    "an empty label": '{"domain": "a..b"}',
    "a literal for a domain": '{"domain": "[127.0.0.1]"}',
    "an address of a megabyte": '{"address": "%s@example.org"}' % ("a" * 500_000),
}


@pytest.mark.parametrize("body", BAD_BODIES.values(), ids=BAD_BODIES.keys())
async def test_a_body_that_does_not_say_exactly_what_it_should_is_refused(
    http: httpx.AsyncClient, body: str | bytes
) -> None:
    response = await post(http, body)
    assert response.status_code == 422, response.text
    assert response.headers["content-type"] == "application/problem+json"


async def test_who_may_not_is_told_so_before_what_is_wrong_with_the_body(http: httpx.AsyncClient) -> None:
    for body in ('{"limit_bytes": true}', "{}"):
        response = await post(http, body, "/v1/things/secrets", authorization="Bearer store-token")
        assert response.status_code == 403


async def test_a_secret_may_have_any_character(http: httpx.AsyncClient) -> None:
    assert (await post(http, '{"password": "a\\u0000b"}', "/v1/logins")).json() == "a\0b"


GOOD_BODIES = {
    '{"limit_bytes": 9223372036854775807}': {"limit_bytes": 2**63 - 1},
    '{"limit_bytes": null}': {"limit_bytes": None},
    '{"share": 1}': {"share": 1.0},
    '{"peer": "::FFFF"}': {"peer": "::ffff"},
    '{"until": "2026-11-27T08:00:00.123456+01:00"}': {"until": "2026-11-27T07:00:00.123000Z"},
    '{"names": ["a", "\\u00fc\\ud83d\\ude00"]}': {"names": ["a", "ü😀"]},
    '{"address": "A/b@MÜNCHEN．test"}': {"address": "A/b@xn--mnchen-3ya.test"},
    '{"mailbox": "A@XN--MNCHEN-3YA.TEST"}': {"mailbox": "a@xn--mnchen-3ya.test"},
    '{"domain": "münchen。test"}': {"domain": "xn--mnchen-3ya.test"},
}


@pytest.mark.parametrize(("body", "read"), GOOD_BODIES.items())
async def test_a_body_is_read_as_it_is_meant(http: httpx.AsyncClient, body: str, read: dict[str, Any]) -> None:
    response = await post(http, body)
    assert response.status_code == 201, response.text
    assert response.json()["body"].items() >= read.items()


BAD_QUERIES = {
    "a parameter that does not exist": "/v1/things?colour=red",
    "of another route": "/v1/search?limit=1",
    "on a route without any": "/v1/things/1?x=1",
    "on a probe": "/healthz?x=1",
    "a single one twice": "/v1/things?limit=1&limit=2",
    "a word for a boolean": "/v1/things?whole=yes",
    "a digit for a boolean": "/v1/things?whole=1",
    "a fraction for a number": "/v1/things?limit=1.0",
    "a number with a space": "/v1/things?limit=%201",
    "a number with a line": "/v1/things?limit=1_0",
    "digits of another script": "/v1/things?limit=%D9%A1",
    "a limit above the bound": "/v1/things?limit=101",
    "digits for a moment": "/v1/things?since=20261127",
    "a moment without a zone": "/v1/things?since=2026-11-27T08:00:00",
    "a moment behind the calendar": "/v1/things?since=9999-12-31T23:59:59-10:00",
    "digits for a day": "/v1/things?first=20261127",
    "a day that is none": "/v1/things?first=2026-02-30",
    "beyond 64 bits": "/v1/search?larger_than=99999999999999999999",
    "a model's own name for its alias": "/v1/search?subject=x",
    "NUL": "/v1/search?about=a%00b",
    "not UTF-8": "/v1/search?about=%FF",
    "a surrogate": "/v1/search?about=%ED%A0%80",
    "a path beyond 64 bits": "/v1/things/99999999999999999999",
    "NUL in a path": "/v1/things/1%00",
    "a cursor beyond 64 bits": f"/v1/things?after={PAGES.write(2**63)}",
    "a cursor of another list": f"/v1/things?after={OTHERS.write(5)}",
    "a bare number for a cursor": "/v1/things?after=5",
    "a cursor that is cut": f"/v1/things?after={PAGES.write(5)[:-1]}",
    "a cursor that is no ASCII": "/v1/things?after=%C3%BC",
    "a cursor of a text": f"/v1/things?after={Cursor('things').write('5')}",
    "a cursor of a boolean": f"/v1/things?after={PAGES.write(True)}",
}


@pytest.mark.parametrize("path", BAD_QUERIES.values(), ids=BAD_QUERIES.keys())
async def test_a_parameter_that_does_not_exist_or_does_not_fit_is_refused(http: httpx.AsyncClient, path: str) -> None:
    response = await http.get(path)
    assert response.status_code == 422, response.text
    assert response.headers["content-type"] == "application/problem+json"


async def test_parameters_that_fit_are_taken(http: httpx.AsyncClient) -> None:
    query = {"flag": ["a", "b"], "whole": "true", "limit": "1", "since": "2026-11-27t08:00:00.5+01:00"}
    response = await http.get("/v1/things", params={**query, "first": "2026-02-28", "after": PAGES.write(7)})
    assert response.status_code == 200, response.text
    assert response.json() == {"since": "2026-11-27T08:00:00.500000+01:00", "after": 7}
    found = await http.get("/v1/search", params={"about": "a b", "flag": ["x", "y"], "larger_than": 2**63 - 1})
    assert found.json() == {"about": "a b", "flag": ["x", "y"], "larger_than": 2**63 - 1}


async def test_a_page_for_people_takes_what_other_programs_put_behind_its_address(http: httpx.AsyncClient) -> None:
    assert (await http.get("/v1/pages/a?utm_source=mail")).status_code == 200


IF_MATCH = {
    "none": (None, 200),
    "any": ("*", 200),
    "the tag": (TAG, 200),
    "among others": (f'"1-abc", {TAG}', 200),
    "another version": ('"4-abc"', 412),
    "another thing of that name": ('"3-abd"', 412),
    "a weak one": (f"W/{TAG}", 412),
    "without quotes": (TAG.strip('"'), 412),
    "the number alone": ('"3"', 412),
    "empty": ("", 412),
}


@pytest.mark.parametrize(("tags", "status"), IF_MATCH.values(), ids=IF_MATCH.keys())
async def test_a_precondition_is_the_equality_of_tags(http: httpx.AsyncClient, tags: str | None, status: int) -> None:
    headers = {} if tags is None else {"If-Match": tags}
    assert (await http.patch("/v1/things/1", headers=headers)).status_code == status


def test_birth_marks_do_not_come_again() -> None:
    assert len({birth_mark() for _ in range(1000)}) == 1000


BAD_KEYS = {"empty": b"", "too long": b"k" * 256, "not ASCII": "clé".encode(), "a control character": b"a\x01b"}


@pytest.mark.parametrize("key", BAD_KEYS.values(), ids=BAD_KEYS.keys())
async def test_a_key_that_is_none_is_refused(http: httpx.AsyncClient, key: bytes) -> None:
    headers = [(b"content-type", b"application/json"), (b"idempotency-key", key)]
    assert (await http.post("/v1/things", content=b"{}", headers=headers)).status_code == 422


async def test_a_key_belongs_to_one_request_of_one_caller(http: httpx.AsyncClient) -> None:
    async def once(body: str, path: str = "/v1/things", **headers: str) -> tuple[str, str]:
        response = await post(http, body, path, **{"idempotency-key": "k1", **headers})
        key, fingerprint = response.json()["once"]
        return key, fingerprint

    first = await once('{"locked": true, "share": 1}')
    assert await once('{ "share":1,"locked":true }') == first
    for another in (await once('{"locked": false, "share": 1}'), await once('{"locked": true}', "/v1/others")):
        assert another[0] == first[0]
        assert another[1] != first[1]
    by_a_service = await once("{}", authorization="Bearer store-token")
    assert by_a_service[0] != first[0]
    assert "k1" not in str(first)


async def lines_of(http: httpx.AsyncClient, method: str, path: str, **options: Any) -> list[dict[str, Any]]:
    with capture_logs() as lines:
        await http.request(method, path, **options)
    return [dict(line) for line in lines if line["event"] == "audit"]


async def test_a_change_leaves_one_line_that_holds_no_body(http: httpx.AsyncClient) -> None:
    [line] = await lines_of(http, "POST", "/v1/things", json={"names": ["secret"]})
    assert line == {
        "event": "audit",
        "log_level": "info",
        "service": "router",
        "by": "admin",
        "operation": "make",
        "method": "POST",
        "target": "/v1/things/a/b",
        "query": "",
        "status": 201,
        "outcome": "done",
        "client": "127.0.0.1",
    }


async def test_what_is_refused_leaves_its_line_too(http: httpx.AsyncClient) -> None:
    [line] = await lines_of(http, "PATCH", "/v1/things/1", headers={"if-match": '"9"'})
    assert (line["outcome"], line["status"], line["target"]) == ("refused", 412, "/v1/things/1")
    [line] = await lines_of(http, "DELETE", "/v1/things/1", headers={"authorization": ""})
    assert (line["outcome"], line["status"], line["by"]) == ("refused", 401, "nobody")
    [line] = await lines_of(http, "POST", "/v1/things?password=hunter2", json={})
    assert line["status"] == 422
    assert "hunter2" not in str(line)


async def test_reading_mail_leaves_a_line_and_other_reading_none(http: httpx.AsyncClient) -> None:
    [line] = await lines_of(http, "GET", "/v1/things/7")
    assert (line["operation"], line["target"]) == ("read", "/v1/things/7")
    assert await lines_of(http, "GET", "/v1/things") == []


async def test_a_question_of_a_service_leaves_no_line(http: httpx.AsyncClient) -> None:
    service = {"authorization": "Bearer store-token"}
    assert await lines_of(http, "POST", "/v1/things/queries", json={}, headers=service) == []
    [line] = await lines_of(http, "POST", "/v1/things/queries", json={})
    assert line["operation"] == "ask"


async def test_the_key_of_a_public_page_is_not_written_down(http: httpx.AsyncClient) -> None:
    [line] = await lines_of(http, "POST", "/v1/pages/secret-token?way=secret")
    assert line["target"] == "/v1/pages/{name}"
    assert "secret" not in str(line)

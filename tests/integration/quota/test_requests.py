"""Quota's API as an API: every form of a name is one name, and what does not exist is told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from libs.http import application, strict
from libs.http.probes import Checks
from libs.mail.address import canonical
from libs.mongo import Mongo
from libs.telemetry import Metrics
from services.quota.adapters.sends import MongoSends
from services.quota.adapters.usage import MongoUsage
from services.quota.api import _PLAIN, routes
from services.quota.settings import Settings
from tests.servers.tokens import tokens_in

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
MUNICH = "xn--mnchen-3ya.test"
FORMS = ["münchen.test", "MÜNCHEN.TEST", "XN--MNCHEN-3YA.test", "münchen．test", "münchen。test"]
ACCOUNT = f"a/b@{MUNICH}"


class TheRouter:
    async def is_account(self, address: str) -> bool:
        return address == ACCOUNT

    async def main_domain(self, domain: str) -> str | None:
        return {MUNICH: MUNICH, "muenchen.test": MUNICH}.get(domain)


@pytest.fixture
async def usage(mongo: Mongo) -> MongoUsage:
    usage = MongoUsage(mongo.database("quota"), profiles={"standard": 1000}, default_profile="standard")
    await usage.set_profile(ACCOUNT, limit_bytes=None, profile="standard")
    return usage


@pytest.fixture
async def changed() -> list[str]:
    return []


@pytest.fixture
async def http(mongo: Mongo, usage: MongoUsage, changed: list[str], tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    async def tell(address: str) -> None:
        changed.append(address)

    sends: Any = MongoSends(mongo.database("quota"))
    handler: Any = None
    api = routes(Settings(), usage, sends, TheRouter(), handler, changed=tell, clock=lambda: NOW)
    app = application("quota", routers=[strict(api)], checks=Checks(), metrics=Metrics(), tokens=tokens_in(tmp_path))
    transport, headers = httpx.ASGITransport(app), {"Authorization": "Bearer admin"}
    async with httpx.AsyncClient(transport=transport, base_url="http://quota", headers=headers) as client:
        yield client


@pytest.mark.parametrize("form", FORMS)
async def test_a_limit_of_a_domain_reaches_it_in_every_form_of_its_name(
    http: httpx.AsyncClient, usage: MongoUsage, changed: list[str], form: str
) -> None:
    assert (await http.put(f"/v1/domain-limits/{form}", json={"limit_bytes": 5})).status_code == 200
    assert await usage.limits_of([ACCOUNT]) == {ACCOUNT: 5}
    assert changed == [f"@{MUNICH}"]
    limits = (await http.post("/v1/limits/queries", json={"addresses": [f"A/b@{form}"]})).json()["limits"]
    assert limits == {f"A/b@{form}": 5}


@pytest.mark.parametrize("form", FORMS)
async def test_a_limit_is_read_where_it_is_set(http: httpx.AsyncClient, form: str) -> None:
    for path in (f"/v1/limits/A%2Fb@{form}", f"/v1/domain-limits/{form}"):
        assert (await http.get(path)).json() == {"limit_bytes": None}
        assert (await http.put(path, json={"limit_bytes": 5})).status_code == 200
        assert (await http.get(path)).json() == {"limit_bytes": 5}


async def test_the_limit_of_an_alias_domain_is_that_of_its_main_domain(
    http: httpx.AsyncClient, usage: MongoUsage
) -> None:
    assert (await http.put("/v1/domain-limits/muenchen.test", json={"limit_bytes": 5})).status_code == 200
    assert await usage.limits_of([ACCOUNT]) == {ACCOUNT: 5}


@pytest.mark.parametrize("form", FORMS)
async def test_an_account_is_one_in_every_form_of_its_address(http: httpx.AsyncClient, form: str) -> None:
    path = f"A%2FB@{form}"
    assert (await http.put(f"/v1/limits/{path}", json={"limit_bytes": 7})).status_code == 200
    assert (await http.get(f"/v1/usage/{path}")).json()["limit_bytes"] == 7
    attempt = {"key": f"a/B@{form}", "class": "external", "recipients": 1}
    assert (await http.post("/v1/sends", json=attempt)).json()["allowed"]


@pytest.mark.parametrize("path", ["domain-limits/nobody.test", "limits/x@nobody.test", f"limits/x@{MUNICH}"])
async def test_what_does_not_exist_is_told(http: httpx.AsyncClient, changed: list[str], path: str) -> None:
    assert (await http.put(f"/v1/{path}", json={"limit_bytes": 5})).status_code == 404
    assert (await http.get(f"/v1/{path}")).status_code == 404
    assert changed == []


BAD: list[tuple[str, str, Any]] = [
    ("PUT", f"/v1/limits/{ACCOUNT}", {"limit_bytes": False}),
    ("PUT", f"/v1/limits/{ACCOUNT}", {"limit_bytes": True}),
    ("PUT", f"/v1/limits/{ACCOUNT}", {"limit_bytes": "5"}),
    ("PUT", f"/v1/limits/{ACCOUNT}", {"limit_bytes": 5.0}),
    ("PUT", f"/v1/limits/{ACCOUNT}", {"limit_bytes": 2**63}),
    ("PUT", f"/v1/limits/{ACCOUNT}", {"limit_bytes": -1}),
    ("PUT", f"/v1/limits/{ACCOUNT}", {"limit_byte": 5}),
    ("PUT", f"/v1/limits/{ACCOUNT}", {"limit_bytes": 5, "profile": "guest"}),
    ("GET", "/v1/limits/%00", None),
    ("GET", "/v1/usage/%00", None),
    ("GET", "/v1/domain-limits/%00", None),
    ("PUT", "/v1/limits/%00", {"limit_bytes": 5}),
    ("PUT", "/v1/domain-limits/%00", {"limit_bytes": 5}),
    ("PUT", "/v1/domain-limits/a..b", {"limit_bytes": 5}),
    ("PUT", "/v1/domain-limits/%5B127.0.0.1%5D", {"limit_bytes": 5}),
    ("POST", "/v1/sends", {"key": "a", "class": "external", "recipients": True}),
    ("POST", "/v1/limits/queries", {"addresses": ["a@b.test"] * 1001}),
    ("GET", f"/v1/usage/{ACCOUNT}?recount=true", None),
]


@pytest.mark.parametrize(("method", "path", "body"), BAD)
async def test_what_does_not_fit_is_refused(http: httpx.AsyncClient, method: str, path: str, body: Any) -> None:
    assert (await http.request(method, path, json=body)).status_code == 422


@pytest.mark.parametrize("address", ["a.b+c@example.org", "a-b_c@sub.ex-ample.org", "a1@b2.example"])
def test_what_is_taken_for_a_normal_form_is_one(address: str) -> None:
    assert _PLAIN.fullmatch(address)
    assert canonical(address) == address


async def test_one_bad_address_keeps_no_other_from_its_answer(http: httpx.AsyncClient) -> None:
    bad = ["", "no address", "@", "a@b@c", "a@[::1", "x" * 400 + "@example.org", "é\u0301@", "a@..", "a@-.test"]
    good = [f"a{n}@example.org" for n in range(900)]
    answer = await http.post("/v1/limits/queries", json={"addresses": [*bad, *good]})
    assert answer.status_code == 200
    assert answer.json()["limits"].keys() == set(good)

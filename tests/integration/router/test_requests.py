"""The directory's API as an API: versions, keys, pages, names and numbers at their edges."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import quote

import pytest

JEAN = "/v1/accounts/jean.toto@example.org"
PASSWORD = "secret-123"
NEW: dict[str, dict[str, Any]] = {
    "/v1/domains": {"name": "new.example"},
    "/v1/alias-domains": {"name": "other.example", "domain": "example.org"},
    "/v1/accounts": {"address": "new@example.org", "password": PASSWORD},
    "/v1/aliases": {"address": "new@example.org", "targets": ["x@far.example"]},
    "/v1/forwards": {"address": "new@example.org", "target": "x@far.example"},
    "/v1/redirects": {"address": "jean.toto@example.org", "targets": ["x@far.example"]},
}
CHANGES: dict[str, dict[str, Any]] = {
    "/v1/domains": {"max_accounts": 5},
    "/v1/accounts": {"suspended": True},
    "/v1/aliases": {"targets": ["y@far.example"]},
    "/v1/forwards": {"target": "y@far.example"},
    "/v1/redirects": {"keep_copy": False},
}


async def make(people: Any, path: str) -> tuple[str, dict[str, Any], str]:
    """Where it is, what it is, its tag."""
    answer = await people.call("POST", path, expect=201, json=NEW[path])
    return answer.headers["Location"], answer.json(), answer.headers["ETag"]


@pytest.mark.parametrize("path", NEW)
async def test_what_is_made_is_what_is_read_under_the_same_tag(people: Any, path: str) -> None:
    place, made, tag = await make(people, path)
    read = await people.call("GET", place, expect=200)
    assert (read.json(), read.headers["ETag"]) == (made, tag)


@pytest.mark.parametrize("path", [path for path in NEW if path != "/v1/redirects"])
async def test_the_tag_of_what_was_deleted_does_not_fit_what_is_made_again(people: Any, path: str) -> None:
    place, _, tag = await make(people, path)
    await people.call("DELETE", place, expect=204)
    for _ in range(200):  # an account of a name waits until the deletion of the former one is told
        answer = await people.http.post(path, json=NEW[path], headers={"Authorization": "Bearer admin"})
        if answer.status_code == 201:
            break
        await asyncio.sleep(0.02)
    assert (await people.call("GET", place, expect=200)).headers["ETag"] != tag
    if path in CHANGES:
        await people.call("PATCH", place, expect=412, json=CHANGES[path], headers={"If-Match": tag})
    await people.call("DELETE", place, expect=412, headers={"If-Match": tag})
    await people.call("GET", place, expect=200)


@pytest.mark.parametrize("path", CHANGES)
async def test_every_change_has_another_tag_and_the_old_one_fits_no_more(people: Any, path: str) -> None:
    place, _, old = await make(people, path)
    changed = await people.call("PATCH", place, expect=200, json=CHANGES[path], headers={"If-Match": old})
    assert changed.headers["ETag"] != old
    for method, body in (("PATCH", CHANGES[path]), ("DELETE", None)):
        for tag in (old, changed.headers["ETag"].strip('"'), f"W/{changed.headers['ETag']}", '"99"'):
            await people.call(method, place, expect=412, json=body, headers={"If-Match": tag})
    await people.call("DELETE", place, expect=204, headers={"If-Match": changed.headers["ETag"]})


async def test_parallel_changes_without_a_precondition_all_succeed(people: Any) -> None:
    calls = [people.call("PATCH", JEAN, expect=200, json={"surname": f"Toto {i}"}) for i in range(8)]
    tags = {answer.headers["ETag"] for answer in await asyncio.gather(*calls)}
    assert len(tags) == 8


async def test_of_parallel_changes_of_one_version_one_succeeds(people: Any) -> None:
    tag = (await people.call("GET", JEAN, expect=200)).headers["ETag"]
    headers = {"If-Match": tag, "Authorization": "Bearer admin"}
    calls = [people.http.patch(JEAN, json={"surname": f"Toto {i}"}, headers=headers) for i in range(8)]
    assert sorted(answer.status_code for answer in await asyncio.gather(*calls)) == [200, *[412] * 7]


async def test_counters_are_outside_of_what_has_a_tag(people: Any) -> None:
    before = await people.call("GET", "/v1/domains/example.org", expect=200)
    await people.post("/v1/aliases", **NEW["/v1/aliases"])
    after = await people.call("GET", "/v1/domains/example.org", expect=200)
    assert (after.json(), after.headers["ETag"]) == (before.json(), before.headers["ETag"])
    assert await people.get("/v1/domains/example.org/counts") == {"accounts": 2, "addresses": 3}
    await people.get("/v1/domains/nobody.example/counts", expect=404)


async def test_an_account_with_one_more_address_is_another_version(people: Any) -> None:
    tags = [(await people.call("GET", JEAN, expect=200)).headers["ETag"]]
    more = await people.call("POST", f"{JEAN}/addresses", expect=201, json={"address": "chef@example.org"})
    tags.append(more.headers["ETag"])
    assert (await people.call("GET", JEAN, expect=200)).headers["ETag"] == tags[1]
    await people.call("DELETE", "/v1/aliases/chef@example.org", expect=204)
    tags.append((await people.call("GET", JEAN, expect=200)).headers["ETag"])
    assert len(set(tags)) == 3
    new = {"official_address": "j@example.org"}
    await people.call("PATCH", JEAN, expect=412, json=new, headers={"If-Match": tags[1]})
    await people.call("PATCH", JEAN, expect=200, json=new, headers={"If-Match": tags[2]})


@pytest.mark.parametrize("path", [*NEW, "/v1/replications"])
async def test_a_key_makes_one_thing_of_any_number_at_once(people: Any, path: str) -> None:
    new = NEW.get(path, {"address": "jean.toto@example.org", "target": "x@far.example"})
    answers = await asyncio.gather(*(people.post(path, key="k", **new) for _ in range(6)))
    assert all(answer == answers[0] for answer in answers)


async def test_a_key_with_another_password_sets_nothing_and_says_so(people: Any) -> None:
    await people.post("/v1/accounts", key="k", **NEW["/v1/accounts"])
    await people.post("/v1/accounts", key="k", **{**NEW["/v1/accounts"], "password": "another-456"}, expect=422)


async def test_a_key_of_another_route_is_refused(people: Any) -> None:
    await people.post(f"{JEAN}/addresses", key="k", address="a@example.org")
    await people.post("/v1/accounts/marie.dupont@example.org/addresses", key="k", address="a@example.org", expect=422)


@pytest.mark.parametrize("path", NEW)
async def test_a_key_whose_thing_is_gone_makes_nothing_and_says_so(people: Any, path: str) -> None:
    made = await people.call("POST", path, expect=201, json=NEW[path], headers={"Idempotency-Key": "k"})
    await people.call("DELETE", made.headers["Location"], expect=204)
    await people.post(path, key="k", **NEW[path], expect=410)
    await people.get(made.headers["Location"], expect=404)


@pytest.mark.parametrize("key", [b"", b"k" * 256, "clé".encode(), b"\xff", b"a\tb"])
async def test_a_key_that_is_none_is_refused(people: Any, key: bytes) -> None:
    headers = {"Authorization": "Bearer admin", "Idempotency-Key": key}
    assert (await people.http.post("/v1/aliases", json=NEW["/v1/aliases"], headers=headers)).status_code == 422


ADDRESSES = ["a/b@example.org", "a?b#c%d@example.org", "a+b=c@example.org", '"a b"@example.org', "é/è@example.org"]


@pytest.mark.parametrize("address", ADDRESSES)
async def test_every_lawful_address_has_a_path(people: Any, address: str) -> None:
    made = await people.call("POST", "/v1/accounts", expect=201, json={"address": address, "password": PASSWORD})
    path = f"/v1/accounts/{quote(address, safe='')}"
    for place in (made.headers["Location"], path):
        assert (await people.get(place))["address"] == address
    await people.call("POST", f"{path}/addresses", expect=201, json={"address": "other@example.org"})
    await people.call("DELETE", path, expect=204)


DOMAINS = [
    "münchen.test",
    "MÜNCHEN.test",
    "xn--mnchen-3ya.test",
    "XN--MNCHEN-3YA.TEST",
    "münchen．test",
    "münchen。test",
]


@pytest.mark.parametrize("form", DOMAINS)
async def test_a_domain_is_one_in_all_of_its_forms(people: Any, form: str) -> None:
    await people.post("/v1/domains", name="münchen.test")
    await people.post("/v1/domains", name=form, expect=409)
    await people.call("PATCH", f"/v1/domains/{quote(form)}", expect=200, json={"max_accounts": 1})
    made = await people.post("/v1/accounts", address=f"Hans@{form}", password=PASSWORD)
    assert made["address"] == "hans@xn--mnchen-3ya.test"
    assert len((await people.get("/v1/accounts", domain=form))["items"]) == 1


BAD: list[tuple[str, str, dict[str, Any] | None]] = [
    ("POST", "/v1/domains", {"name": "[127.0.0.1]"}),
    ("POST", "/v1/domains", {"name": "new.example", "max_accounts": True}),
    ("POST", "/v1/domains", {"name": "new.example", "default_quota_bytes": 2**63}),
    ("POST", "/v1/domains", {"name": "new.example", "max_message_bytes": 1e23}),
    ("POST", "/v1/domains", {"name": "new.example", "junk_keep_days": "5"}),
    ("POST", "/v1/accounts", {**NEW["/v1/accounts"], "quota_bytes": 1e23}),
    ("POST", "/v1/accounts", {**NEW["/v1/accounts"], "quota_bytes": False}),
    ("POST", "/v1/accounts", {**NEW["/v1/accounts"], "suspended": "no"}),
    ("POST", "/v1/accounts", {**NEW["/v1/accounts"], "quota": 1}),
    ("PATCH", JEAN, {"quota_bytes": 2**63}),
    ("PATCH", JEAN, {"passwort": PASSWORD}),
    ("POST", "/v1/aliases", {"address": "a\0@example.org", "targets": ["x@far.example"]}),
    ("GET", "/v1/accounts?after=jean", None),
    ("GET", "/v1/accounts?colour=red", None),
    ("GET", "/v1/accounts?limit=201", None),
    ("GET", "/v1/accounts?domain=a..b", None),
    ("GET", "/v1/domains/%00", None),
    ("GET", "/v1/accounts/a%00@example.org", None),
    ("GET", "/v1/resolve?address=a@example.org&address=b@example.org", None),
]


@pytest.mark.parametrize(("method", "path", "body"), BAD)
async def test_what_does_not_fit_is_refused(people: Any, method: str, path: str, body: dict[str, Any] | None) -> None:
    await people.call(method, path, expect=422, json=body)

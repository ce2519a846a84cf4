from __future__ import annotations

from typing import Any

from libs.mongo import Mongo
from services.router.settings import Settings

JEAN = "jean.toto@example.org"


async def attempt(router: Any, login: str, password: str, *, expect: int) -> Any:
    body = {"login": login, "password": password}
    return (await router.call("POST", "/v1/authentications", expect=expect, token="ingress", json=body)).json()


async def test_an_account_is_known_by_login_name_and_by_any_of_its_addresses(people: Any) -> None:
    await people.post("/v1/alias-domains", name="b.example", domain="example.org")
    await people.post(f"/v1/accounts/{JEAN}/addresses", address="jean@example.org")
    for login in (JEAN, "Jean.Toto@Example.org", "toto-j", " TOTO-J", "jean@example.org", "jean.toto@b.example"):
        identity = await attempt(people, login, "secret-123", expect=200)
        assert (identity["account"], identity["may_send"]) == (JEAN, True)


WRONG = [
    (JEAN, "wrong-123"),
    (JEAN, ""),
    (JEAN, "secret-123\x00"),
    ("nobody@example.org", "secret-123"),
    ("nobody", "secret-123"),
    ("", "secret-123"),
    ("list@example.org", "secret-123"),
    ("a@b@c", "secret-123"),
    ("x\r\n@example.org", "secret-123"),
]


async def test_whatever_is_wrong_the_answer_is_the_same(people: Any) -> None:
    await people.post("/v1/aliases", address="list@example.org", targets=[JEAN, "marie.dupont@example.org"])
    for login, password in WRONG:
        refusal = await attempt(people, login, password, expect=401)
        assert refusal["detail"] == "wrong login or password"


async def test_a_locked_account_is_told_so_only_with_its_password(people: Any) -> None:
    await people.call("PATCH", f"/v1/accounts/{JEAN}", expect=200, json={"suspended": True})
    await attempt(people, JEAN, "secret-123", expect=423)
    await attempt(people, JEAN, "wrong-123", expect=401)
    assert await people.resolved(JEAN) == [JEAN], "it still gets its mail"


async def test_a_new_password_replaces_the_old_one_and_a_deleted_account_has_none(people: Any, mongo: Mongo) -> None:
    await people.call("PATCH", f"/v1/accounts/{JEAN}", expect=200, json={"password": "another-456"})
    await attempt(people, JEAN, "secret-123", expect=401)
    await attempt(people, JEAN, "another-456", expect=200)
    await people.call("DELETE", f"/v1/accounts/{JEAN}", expect=204)
    await attempt(people, JEAN, "another-456", expect=401)
    assert await mongo.database("router")["credentials"].find_one({"_id": JEAN}) is None


async def test_an_account_sends_as_its_addresses_and_the_aliases_that_lead_to_it(people: Any) -> None:
    await people.post("/v1/alias-domains", name="b.example", domain="example.org")
    await people.post("/v1/aliases", address="team@example.org", targets=[JEAN, "marie.dupont@example.org"])
    await people.post("/v1/aliases", address="other@example.org", targets=["marie.dupont@example.org"])
    await people.post(f"/v1/accounts/{JEAN}/addresses", address="jean@example.org")
    local_parts = ("jean.toto", "jean", "team")
    expected = {f"{local}@{domain}" for local in local_parts for domain in ("example.org", "b.example")}
    answer = await people.call("GET", f"/v1/senders/{JEAN}", expect=200, token="ingress")
    assert set(answer.json()["addresses"]) == expected
    assert answer.json()["profile"] == "standard"
    assert set((await attempt(people, JEAN, "secret-123", expect=200))["addresses"]) == expected


async def test_stronger_parameters_reach_old_hashes_at_the_next_login(start: Any, mongo: Mongo) -> None:
    old = await start()
    await old.post("/v1/domains", name="example.org")
    await old.post("/v1/accounts", address=JEAN, password="secret-123")
    new = await start(argon2_memory_kib=128)
    await attempt(new, JEAN, "wrong-123", expect=401)
    credentials = mongo.database("router")["credentials"]
    assert "m=64," in (await credentials.find_one({"_id": JEAN}))["hash"]
    await attempt(new, JEAN, "secret-123", expect=200)
    assert "m=128," in (await credentials.find_one({"_id": JEAN}))["hash"]
    await attempt(new, JEAN, "secret-123", expect=200)


def test_the_default_parameters_are_those_of_rfc_9106() -> None:
    chosen = Settings()
    assert (chosen.argon2_iterations, chosen.argon2_memory_kib, chosen.argon2_lanes) == (3, 64 * 1024, 4)

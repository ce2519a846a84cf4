"""Domains, accounts and what leads to them, over HTTP."""

from __future__ import annotations

import asyncio
from typing import Any

from libs.mongo import Mongo

WEAK = [
    ("short1", "at least 8 characters"),
    ("lettersonly", "letters and digits"),
    ("1234567890", "letters and digits"),
]


async def test_a_domain_is_made_read_changed_and_deleted(router: Any) -> None:
    made = await router.call("POST", "/v1/domains", expect=201, json={"name": "Exämple.ORG", "max_accounts": 3})
    assert made.json()["name"] == "xn--exmple-cua.org"
    path = made.headers["Location"]
    assert (await router.get(path))["max_accounts"] == 3
    changed = await router.call("PATCH", path, expect=200, json={"max_accounts": None})
    assert changed.json()["max_accounts"] is None
    await router.call("DELETE", path, expect=204)
    await router.get(path, expect=404)


async def test_an_edit_of_an_old_version_is_refused(people: Any) -> None:
    for path, change in (
        ("/v1/domains/example.org", {"max_accounts": 9}),
        ("/v1/accounts/jean.toto@example.org", {"suspended": True}),
    ):
        tag = (await people.call("GET", path, expect=200)).headers["ETag"]
        await people.call("PATCH", path, expect=200, json=change, headers={"If-Match": tag})
        await people.call("PATCH", path, expect=412, json=change, headers={"If-Match": tag})
        await people.call("DELETE", path, expect=412, headers={"If-Match": tag})
        await people.call("PATCH", path, expect=200, json=change, headers={"If-Match": "*"})


async def test_no_name_is_given_twice(people: Any) -> None:
    await people.post("/v1/domains", name="EXAMPLE.org", expect=409)
    await people.post("/v1/alias-domains", name="exemple.fr", domain="example.org")
    await people.post("/v1/domains", name="exemple.fr", expect=409)
    await people.post("/v1/alias-domains", name="exemple.fr", domain="example.org", expect=409)
    taken = "Jean.Toto@exemple.fr"
    await people.post("/v1/accounts", address=taken, password="secret-123", expect=409)
    await people.post("/v1/aliases", address=taken, targets=["x@far.example"], expect=409)
    await people.post("/v1/forwards", address=taken, target="x@far.example", expect=409)


async def test_an_alias_domain_belongs_to_a_main_domain(router: Any) -> None:
    await router.post("/v1/alias-domains", name="a.example", domain="nobody.example", expect=422)
    await router.post("/v1/alias-domains", name="a.example", domain="example.org")
    await router.post("/v1/alias-domains", name="b.example", domain="a.example", expect=422)
    assert [item["name"] for item in (await router.get("/v1/alias-domains", domain="example.org"))["items"]] == [
        "a.example"
    ]
    await router.call("DELETE", "/v1/domains/example.org", expect=409)
    await router.call("DELETE", "/v1/alias-domains/a.example", expect=204)
    await router.call("DELETE", "/v1/domains/example.org", expect=204)


async def test_a_domain_with_addresses_stays(people: Any) -> None:
    refusal = await people.call("DELETE", "/v1/domains/example.org", expect=409)
    assert refusal.json()["detail"] == "example.org still has 2 addresses"


async def test_a_weak_password_is_refused_in_words(people: Any) -> None:
    path = "/v1/accounts/jean.toto@example.org"
    for password, says in WEAK:
        refused = await people.post("/v1/accounts", address="x@example.org", password=password, expect=422)
        assert says in refused["detail"]
        refusal = await people.call("PATCH", path, expect=422, json={"password": password})
        assert says in refusal.json()["detail"]
        assert password not in refusal.text


UNFIT: list[tuple[str, dict[str, Any]]] = [
    ("/v1/domains", {"name": "evil.example\r\nBcc: v@d.example"}),
    ("/v1/accounts", {"address": "x@example.org\r\nBcc: v@d.example", "password": "secret-123"}),
    ("/v1/accounts", {"address": "x@example.org", "password": "secret-123", "surname": "x\r\nBcc: v@d.example"}),
    ("/v1/accounts", {"address": "x@example.org", "password": "secret-123", "login": "x\r\nBcc: v@d.example"}),
    ("/v1/accounts", {"address": "x@example.org", "password": "secret-123", "login": "x\n"}),
    ("/v1/aliases", {"address": "x@example.org", "targets": ["a@b.example\nBcc: v@d.example"]}),
    ("/v1/aliases", {"address": "a\x00b@example.org", "targets": ["a@b.example"]}),
    ("/v1/forwards", {"address": "x@example.org", "target": "a@b.example\r\nRCPT TO:<v@d.example>"}),
    ("/v1/accounts", {"address": "not an address", "password": "secret-123"}),
    ("/v1/accounts", {"address": "x@nobody.example", "password": "secret-123"}),
    ("/v1/accounts", {"address": "x@example.org", "password": "secret-123", "quota": 5}),
    ("/v1/accounts", {"address": "x@example.org", "password": "secret-123", "quota_bytes": -1}),
    ("/v1/aliases", {"address": "x@example.org", "targets": []}),
    ("/v1/aliases", {"address": "x@example.org", "targets": ["X@Example.ORG"]}),
    ("/v1/aliases", {"address": "x@example.org", "targets": [f"m{n}@b.example" for n in range(10_000)]}),
    ("/v1/forwards", {"address": "x@example.org", "target": "jean.toto@example.org"}),
    ("/v1/replications", {"address": "jean.toto@example.org", "target": "jean.toto@example.org"}),
    ("/v1/domains", {"name": "evil.example", "account_prefix": "exemple1"}),
    ("/v1/domains", {"name": "[192.0.2.1"}),
    ("/v1/accounts", {"password": "secret-123"}),
    ("/v1/accounts", {"address": "x@example.org", "domain": "example.org", "password": "secret-123"}),
    ("/v1/accounts", {"domain": "example.org", "password": "secret-123"}),
    ("/v1/redirects", {"address": "jean.toto@example.org", "targets": ["JEAN.toto@example.org"]}),
]


async def test_what_is_not_fit_is_refused_and_changes_nothing(people: Any) -> None:
    for path, body in UNFIT:
        await people.post(path, expect=422, **body)
    domains = (await people.get("/v1/domains"))["items"]
    assert [(domain["name"], domain["addresses"]) for domain in domains] == [("example.org", 2)]


ABSENT = [
    ("GET", "/v1/domains/x.example"),
    ("PATCH", "/v1/domains/x.example"),
    ("DELETE", "/v1/domains/x.example"),
    ("GET", "/v1/alias-domains/example.org"),
    ("DELETE", "/v1/alias-domains/example.org"),
    ("GET", "/v1/accounts/x@example.org"),
    ("DELETE", "/v1/accounts/x@example.org"),
    ("GET", "/v1/aliases/jean.toto@example.org"),
    ("DELETE", "/v1/aliases/jean.toto@example.org"),
    ("GET", "/v1/forwards/jean.toto@example.org"),
    ("DELETE", "/v1/forwards/jean.toto@example.org"),
    ("GET", "/v1/redirects/jean.toto@example.org"),
    ("PATCH", "/v1/redirects/jean.toto@example.org"),
    ("DELETE", "/v1/redirects/jean.toto@example.org"),
    ("GET", "/v1/senders/x@example.org"),
]


async def test_what_is_not_there_is_404_and_nothing_goes(people: Any) -> None:
    for method, path in ABSENT:
        await people.call(method, path, expect=404, json={})
    assert len((await people.get("/v1/accounts"))["items"]) == 2


async def test_an_address_of_an_account_cannot_be_led_elsewhere(people: Any) -> None:
    await people.post("/v1/accounts/jean.toto@example.org/addresses", address="jean@example.org")
    change = {"targets": ["marie.dupont@example.org"]}
    await people.call("PATCH", "/v1/aliases/jean@example.org", expect=409, json=change)
    assert (await people.get("/v1/aliases/jean@example.org"))["owner"] == "jean.toto@example.org"
    await people.call("DELETE", "/v1/aliases/jean@example.org", expect=204)


async def test_a_domain_over_its_new_maximum_keeps_its_accounts_and_takes_no_more(people: Any) -> None:
    await people.call("PATCH", "/v1/domains/example.org", expect=200, json={"max_accounts": 1})
    refused = await people.post("/v1/accounts", address="x@example.org", password="secret-123", expect=409)
    assert refused["detail"] == "example.org has its 1 accounts"
    await people.post("/v1/aliases", address="x@example.org", targets=["jean.toto@example.org"])
    assert await people.resolved("x@example.org") == ["jean.toto@example.org"]


async def test_any_character_of_an_address_survives_the_path(router: Any) -> None:
    for address in ("王@example.org", "a/b?c#d%e&f@example.org", '"quoted one"@example.org'):
        made = await router.call(
            "POST", "/v1/aliases", expect=201, json={"address": address, "targets": ["x@y.example"]}
        )
        assert (await router.get(made.headers["Location"]))["address"] == address
        await router.call("DELETE", made.headers["Location"], expect=204)


async def test_null_is_no_value_for_what_must_be_there(people: Any) -> None:
    path = "/v1/accounts/jean.toto@example.org"
    for field in ("official_address", "password", "suspended", "surname", "profile"):
        await people.call("PATCH", path, expect=422, json={field: None})
    await people.call("PATCH", path, expect=422, json={"password": ""})


async def test_a_refused_edit_makes_no_address(people: Any) -> None:
    stale = {"If-Match": '"99"'}
    change = {"official_address": "new@example.org"}
    await people.call("PATCH", "/v1/accounts/jean.toto@example.org", expect=412, json=change, headers=stale)
    assert (await people.get("/v1/aliases"))["items"] == []


async def test_the_description_of_the_api_names_every_operation(router: Any) -> None:
    described = await router.get("/openapi.json")
    operations = [operation for path in described["paths"].values() for operation in path.values()]
    assert len(operations) > 30
    assert all(operation["summary"] for operation in operations)


async def test_the_login_name_is_surname_dash_initials_numbered(router: Any) -> None:
    logins = []
    for local in ("jean.toto", "j.toto", "jean-pierre.toto", "julie.toto"):
        made = await router.post("/v1/accounts", address=f"{local}@example.org", password="secret-123")
        logins.append(made["login"])
    assert logins == ["toto-j", "toto-j-1", "toto-jp", "toto-j-2"]
    named = {"address": "x1@example.org", "password": "secret-123", "surname": "Totó", "given_names": "Jérôme"}
    assert (await router.post("/v1/accounts", **named))["login"] == "toto-j-3"
    await router.post("/v1/accounts", address="x2@example.org", password="secret-123", login="toto-j", expect=409)


async def test_numbered_accounts_are_never_given_again(router: Any) -> None:
    await router.call("PATCH", "/v1/domains/example.org", expect=200, json={"account_prefix": "exemple"})
    new = {"domain": "example.org", "password": "secret-123"}
    first = await router.post("/v1/accounts", **new)
    assert (first["address"], first["login"]) == ("exemple0001@example.org", "exemple0001")
    await router.call("DELETE", "/v1/accounts/exemple0001@example.org", expect=204)
    await router.post("/v1/accounts", address="exemple0002@example.org", password="secret-123")
    assert (await router.post("/v1/accounts", **new))["address"] == "exemple0003@example.org"


async def test_numbers_and_the_last_free_account_stand_two_replicas_at_once(start: Any) -> None:
    replicas = [await start(), await start()]
    await replicas[0].post("/v1/domains", name="example.org", account_prefix="exemple", max_accounts=12)

    async def one(number: int) -> Any:
        body = {"domain": "example.org", "password": "secret-123"}
        return await replicas[number % 2].http.post(
            "/v1/accounts", json=body, headers={"Authorization": "Bearer admin"}, timeout=30
        )

    answers = await asyncio.gather(*(one(number) for number in range(20)))
    made = [answer.json()["address"] for answer in answers if answer.status_code == 201]
    assert len(set(made)) == len(made) == 12
    assert {answer.status_code for answer in answers} == {201, 409}
    assert (await replicas[1].get("/v1/domains/example.org/counts"))["accounts"] == 12


async def test_an_address_is_made_once_by_two_replicas_at_once(start: Any) -> None:
    replicas = [await start(), await start()]
    await replicas[0].post("/v1/domains", name="example.org")
    calls = [
        replica.http.post(path, json=body, headers={"Authorization": "Bearer admin"}, timeout=30)
        for replica in replicas
        for path, body in (
            ("/v1/accounts", {"address": "a@example.org", "password": "secret-123"}),
            ("/v1/aliases", {"address": "a@example.org", "targets": ["b@far.example"]}),
            ("/v1/forwards", {"address": "a@example.org", "target": "b@far.example"}),
        )
    ]
    statuses = sorted(answer.status_code for answer in await asyncio.gather(*calls))
    assert statuses == [201, 409, 409, 409, 409, 409]


async def test_the_same_idempotency_key_makes_one_thing(router: Any) -> None:
    new = {"domain": "example.org", "password": "secret-123"}
    await router.call("PATCH", "/v1/domains/example.org", expect=200, json={"account_prefix": "exemple"})
    made = [await router.post("/v1/accounts", key="k1", **new) for _ in range(2)]
    assert made[0] == made[1]
    await router.post("/v1/accounts", key="k1", **{**new, "profile": "guest"}, expect=422)
    alias = {"address": "a@example.org", "targets": ["b@far.example"]}
    await router.post("/v1/aliases", key="k1", **alias, expect=422)
    both = await asyncio.gather(*(router.post("/v1/aliases", key="k3", **alias) for _ in range(2)))
    assert both[0] == both[1]
    await router.post("/v1/aliases", key="k2", **alias, expect=409)
    await router.post("/v1/aliases", key="", **alias, expect=409)
    assert (await router.get("/v1/domains/example.org/counts"))["addresses"] == 2


async def test_no_hash_and_no_password_is_kept_outside_of_the_credentials(people: Any, mongo: Mongo) -> None:
    await people.post("/v1/accounts", key="k", address="x@example.org", password="secret-123")
    database = mongo.database("router")
    for name in await database.list_collection_names():
        text = str([item async for item in database[name].find({})])
        assert "secret-123" not in text
        assert ("argon2id" in text) == (name == "credentials"), name


async def test_lists_come_in_pages_in_the_order_of_their_addresses(router: Any) -> None:
    for number in range(5):
        await router.post("/v1/aliases", address=f"a{number}@example.org", targets=["x@far.example"])
    seen, after = [], ""
    while after is not None:
        page = await router.get("/v1/aliases", limit=2, after=after, domain="example.org")
        seen += [item["address"] for item in page["items"]]
        after = page["next"]
    assert seen == [f"a{number}@example.org" for number in range(5)]
    assert (await router.get("/v1/aliases", domain="other.example"))["items"] == []


async def test_a_new_official_address_keeps_the_old_one_and_the_mailbox(people: Any) -> None:
    path = "/v1/accounts/jean.toto@example.org"
    await people.post(f"{path}/addresses", address="directeur@example.org")
    changed = (await people.call("PATCH", path, expect=200, json={"official_address": "jean.titi@example.org"})).json()
    assert (changed["address"], changed["official_address"]) == ("jean.toto@example.org", "jean.titi@example.org")
    assert changed["addresses"] == ["directeur@example.org", "jean.titi@example.org"]
    for address in ("jean.toto", "jean.titi", "directeur"):
        assert await people.resolved(f"{address}@example.org") == ["jean.toto@example.org"]
    await people.call("DELETE", "/v1/aliases/jean.titi@example.org", expect=409)
    taken = {"official_address": "marie.dupont@example.org"}
    await people.call("PATCH", path, expect=409, json=taken)
    await people.call("DELETE", path, expect=204)
    assert (await people.get("/v1/domains/example.org/counts"))["addresses"] == 1
    assert await people.resolved("directeur@example.org") == []


async def test_forwards_redirects_and_replications_are_read_changed_and_deleted(people: Any) -> None:
    await people.post("/v1/forwards", address="f@example.org", target="x@far.example")
    edited = await people.call("PATCH", "/v1/forwards/f@example.org", expect=200, json={"target": "y@far.example"})
    assert edited.json()["target"] == "y@far.example"
    assert [item["address"] for item in (await people.get("/v1/forwards"))["items"]] == ["f@example.org"]
    jean, marie = "jean.toto@example.org", "marie.dupont@example.org"
    await people.post("/v1/redirects", address=jean, targets=[marie])
    await people.post("/v1/redirects", address=jean, targets=[marie], expect=409)
    assert (await people.get(f"/v1/redirects/{jean}"))["keep_copy"] is True
    assert len((await people.get("/v1/redirects"))["items"]) == 1
    await people.call("DELETE", f"/v1/redirects/{jean}", expect=204)
    await people.get(f"/v1/redirects/{jean}", expect=404)
    await people.post("/v1/replications", address=jean, target=marie)
    await people.post("/v1/replications", address=jean, target=marie, expect=409)
    await people.post("/v1/replications", address="gone@example.org", target=marie, expect=404)
    assert (await people.get("/v1/replications"))["items"] == [{"address": jean, "target": marie}]
    gone = {"address": jean, "target": marie}
    await people.call("DELETE", "/v1/replications", expect=204, params=gone)
    await people.call("DELETE", "/v1/replications", expect=404, params=gone)
    await people.call("DELETE", "/v1/forwards/f@example.org", expect=204)
    await people.call("DELETE", "/v1/forwards/f@example.org", expect=404)


async def test_only_the_administrator_changes_and_reads_the_directory(people: Any) -> None:
    for token, status in (("", 401), ("wrong", 401), ("ingress", 403)):
        for method, path in (
            ("GET", "/v1/accounts"),
            ("POST", "/v1/domains"),
            ("GET", "/v1/resolve?address=a@b.example"),
        ):
            await people.call(method, path, expect=status, token=token, json={"name": "x.example"})

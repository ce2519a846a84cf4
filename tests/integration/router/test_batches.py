"""Creations in batches: each item has a result of its own."""

from __future__ import annotations

from typing import Any

from structlog.testing import capture_logs

PASSWORD = "secret-123"


def account(name: str, **more: Any) -> dict[str, Any]:
    return {"address": f"{name}@example.org", "password": PASSWORD, **more}


async def batch(router: Any, path: str, *items: Any, expect: int = 200, key: str | None = None) -> Any:
    return await router.post(f"/v1/{path}/batch", expect=expect, key=key, items=list(items))


async def test_each_account_has_a_result_and_one_that_fails_does_not_stop_the_others(people: Any) -> None:
    answer = await batch(
        people,
        "accounts",
        account("one", surname="Toto", given_names="Jean"),
        account("marie.dupont"),
        account("weak") | {"password": "short"},
        account("two") | {"profile": "king"},
        "nonsense",
        account("far") | {"address": "x@far.example"},
        account("two"),
    )
    assert (answer["created"], answer["failed"]) == (2, 5)
    results = answer["items"]
    assert [each["index"] for each in results] == list(range(7))
    assert [each["status"] for each in results] == [201, 409, 422, 422, 422, 422, 201]
    assert results[0]["location"] == "/v1/accounts/one@example.org"
    assert results[0]["resource"] == await people.get("/v1/accounts/one@example.org")
    assert "problem" not in results[0]
    assert results[1]["problem"]["type"] == "urn:facteur:problem:already-exists"
    assert results[1]["address"] == "marie.dupont@example.org"
    [error] = results[3]["problem"]["errors"]
    assert error["pointer"] == "#/items/3/profile"
    assert PASSWORD not in str(answer)


async def test_accounts_of_a_batch_are_numbered_by_the_prefix_of_their_domain(router: Any) -> None:
    await router.post("/v1/domains", name="numbered.example", account_prefix="user")
    item = {"domain": "numbered.example", "password": PASSWORD}
    answer = await batch(router, "accounts", item, item)
    assert [each["address"] for each in answer["items"]] == [
        "user0001@numbered.example",
        "user0002@numbered.example",
    ]


async def test_a_limit_of_the_domain_refuses_the_items_beyond_it(router: Any) -> None:
    await router.call("PATCH", "/v1/domains/example.org", expect=200, json={"max_accounts": 1})
    answer = await batch(router, "accounts", account("one"), account("two"))
    assert [each["status"] for each in answer["items"]] == [201, 409]
    assert answer["items"][1]["problem"]["type"] == "urn:facteur:problem:limit-reached"


async def test_aliases_of_a_batch_lead_to_their_targets(people: Any) -> None:
    answer = await batch(
        people,
        "aliases",
        {"address": "team@example.org", "targets": ["jean.toto@example.org", "marie.dupont@example.org"]},
        {"address": "loop@example.org", "targets": ["loop@example.org"]},
        {"address": "team@example.org", "targets": ["jean.toto@example.org"]},
    )
    assert [each["status"] for each in answer["items"]] == [201, 422, 409]
    assert await people.resolved("team@example.org") == ["jean.toto@example.org", "marie.dupont@example.org"]


async def test_the_same_key_answers_what_was_created_and_tries_the_others_again(people: Any) -> None:
    items = [account("one"), account("marie.dupont")]
    first = await batch(people, "accounts", *items, key="k")
    assert [each["status"] for each in first["items"]] == [201, 409]
    assert await batch(people, "accounts", *items, key="k") == first
    await people.call("DELETE", "/v1/accounts/one@example.org", expect=204)
    again = await batch(people, "accounts", *items, key="k")
    assert [each["status"] for each in again["items"]] == [410, 409]


async def test_a_key_of_another_batch_or_of_a_single_creation_is_refused(people: Any) -> None:
    await batch(people, "accounts", account("one"), key="k")
    await batch(people, "accounts", account("two"), key="k", expect=422)
    await people.post("/v1/accounts", expect=422, key="k", **account("two"))
    await people.get("/v1/accounts/two@example.org", expect=404)


async def test_a_batch_has_1_to_200_items(router: Any) -> None:
    items = [{"address": f"a{i}@example.org", "targets": ["x@far.example"]} for i in range(201)]
    await batch(router, "accounts", expect=422)
    await batch(router, "aliases", *items, expect=422)
    assert (await batch(router, "aliases", *items[:200]))["created"] == 200


async def test_every_item_is_in_the_audit_trail(people: Any) -> None:
    with capture_logs() as lines:
        await batch(people, "accounts", account("one"), account("marie.dupont"), {"password": PASSWORD, "x": PASSWORD})
    events = [(line["event"], line.get("address")) for line in lines if line.get("audit")]
    assert events == [
        ("account_made", "one@example.org"),
        ("batch_item_refused", "marie.dupont@example.org"),
        ("batch_item_refused", None),
    ]
    assert PASSWORD not in str(lines)


async def test_only_the_administrator_creates_batches(people: Any) -> None:
    for path in ("accounts", "aliases"):
        await people.call("POST", f"/v1/{path}/batch", expect=403, token="store", json={"items": [account("one")]})

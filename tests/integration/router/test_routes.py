"""Where addresses lead, asked over HTTP."""

from __future__ import annotations

from typing import Any

JEAN, MARIE = "jean.toto@example.org", "marie.dupont@example.org"


async def recipient(router: Any, address: str) -> Any:
    return (await router.call("GET", f"/v1/recipients/{address}", expect=200, token="ingress")).json()


async def test_an_alias_leads_to_its_targets_and_says_how(people: Any) -> None:
    await people.post("/v1/aliases", address="Team@example.org", targets=[JEAN, MARIE, "Boss@Far.example"])
    found = await people.get("/v1/resolve", address="TEAM@EXAMPLE.ORG")
    assert found["deliveries"] == [
        {"kind": "local", "address": JEAN},
        {"kind": "local", "address": MARIE},
        {"kind": "remote", "address": "Boss@far.example"},
    ]
    assert [step["kind"] for step in found["steps"]] == ["alias", "account", "account", "remote"]
    assert found["failures"] == []


async def test_a_replication_fans_out_through_an_alias_to_forwards(people: Any) -> None:
    for name in "abc":
        await people.post("/v1/forwards", address=f"{name}@example.org", target=f"{name}@far.example")
    await people.post("/v1/aliases", address="fan@example.org", targets=[f"{name}@example.org" for name in "abc"])
    await people.post("/v1/replications", address=JEAN, target="fan@example.org")
    assert await people.resolved(JEAN) == [JEAN, "a@far.example", "b@far.example", "c@far.example"]


async def test_a_redirect_with_and_without_a_copy(people: Any) -> None:
    redirect = {"targets": [MARIE, "x@far.example"], "keep_copy": False}
    await people.post("/v1/redirects", address=JEAN, **redirect)
    assert await people.resolved(JEAN) == [MARIE, "x@far.example"]
    await people.call("PATCH", f"/v1/redirects/{JEAN}", expect=200, json={"keep_copy": True})
    assert await people.resolved(JEAN) == [JEAN, MARIE, "x@far.example"]
    await people.call("DELETE", f"/v1/redirects/{JEAN}", expect=204)
    assert await people.resolved(JEAN) == [JEAN]


async def test_every_address_of_the_main_domain_lives_in_the_alias_domain(people: Any) -> None:
    assert (await recipient(people, "jean.toto@exemple.fr"))["status"] == "not_ours"
    await people.post("/v1/alias-domains", name="exemple.fr", domain="example.org")
    await people.post("/v1/aliases", address="info@exemple.fr", targets=["Marie.Dupont@exemple.fr"])
    for address, end in (("Jean.Toto@Exemple.FR", JEAN), ("info@exemple.fr", MARIE), ("info@example.org", MARIE)):
        assert await recipient(people, address) == {
            "status": "local",
            "domain": "example.org",
            "account": end,
            "max_size_bytes": None,
            "reason": "",
        }


async def test_the_account_whose_quota_counts_is_named(people: Any) -> None:
    await people.post("/v1/replications", address=JEAN, target="x@far.example")
    await people.post("/v1/redirects", address=MARIE, targets=["x@far.example"], keep_copy=False)
    for name, targets in {"both": [JEAN, "z@far.example"], "away": ["z@far.example"]}.items():
        await people.post("/v1/aliases", address=f"{name}@example.org", targets=targets)
    await people.post("/v1/accounts", address="paul@example.org", password="secret-123")
    await people.post("/v1/aliases", address="paul2@example.org", targets=["paul@example.org"])
    expected = {JEAN: JEAN, MARIE: None, "paul2@example.org": "paul@example.org"}
    expected |= {"both@example.org": None, "away@example.org": None}
    for address, account in expected.items():
        answer = await recipient(people, address)
        assert (answer["status"], answer["account"]) == ("local", account), address


async def test_loops_are_told_at_rcpt_and_explained(people: Any) -> None:
    await people.post("/v1/aliases", address="a@example.org", targets=["b@example.org"])
    await people.post("/v1/aliases", address="b@example.org", targets=["a@example.org"])
    answer = await recipient(people, "a@example.org")
    assert (answer["status"], answer["reason"]) == (
        "unknown",
        "5.4.6 mail loop: a@example.org -> b@example.org -> a@example.org",
    )
    steps = (await people.get("/v1/resolve", address="a@example.org"))["steps"]
    assert [step["kind"] for step in steps] == ["alias", "alias", "loop"]


async def test_the_catch_all_takes_what_does_not_exist_and_only_that(people: Any) -> None:
    assert (await recipient(people, "nobody@example.org"))["status"] == "unknown"
    await people.call("PATCH", "/v1/domains/example.org", expect=200, json={"catch_all": MARIE})
    assert await people.resolved("nobody@example.org") == [MARIE]
    assert await people.resolved(JEAN) == [JEAN]
    assert (await people.get("/v1/resolve", address="nobody@example.org"))["steps"][0]["kind"] == "catch-all"
    await people.call("PATCH", "/v1/domains/example.org", expect=200, json={"catch_all": None})
    assert await people.resolved("nobody@example.org") == []


async def test_a_catch_all_that_does_not_exist_is_a_loop_and_not_an_endless_one(people: Any) -> None:
    await people.call("PATCH", "/v1/domains/example.org", expect=200, json={"catch_all": "gone@example.org"})
    assert (await recipient(people, "x@example.org"))["reason"].startswith("5.4.6 mail loop")


async def test_postmaster_and_abuse_always_reach_somebody(start: Any) -> None:
    router = await start(postmaster="")
    await router.post("/v1/domains", name="example.org")
    assert await router.resolved("postmaster@example.org") == []
    for address in (JEAN, MARIE):
        await router.post("/v1/accounts", address=address, password="secret-123")
    for address in ("Postmaster@example.org", "abuse@example.org"):
        assert await router.resolved(address) == [JEAN], "the first account stands for the administrator"
    assert (await recipient(router, "Postmaster"))["account"] == JEAN
    await router.call("PATCH", "/v1/domains/example.org", expect=200, json={"catch_all": MARIE})
    assert await router.resolved("postmaster@example.org") == [MARIE]
    await router.call("PATCH", "/v1/domains/example.org", expect=200, json={"postmaster": "noc@far.example"})
    assert await router.resolved("abuse@example.org") == ["noc@far.example"]
    await router.post("/v1/aliases", address="abuse@example.org", targets=[JEAN])
    assert await router.resolved("abuse@example.org") == [JEAN], "an address of that name comes first"


async def test_the_postmaster_of_the_whole_server_is_a_setting(start: Any) -> None:
    router = await start(postmaster="root@far.example")
    await router.post("/v1/domains", name="example.org")
    for address in ("postmaster", "abuse@example.org"):
        assert (await recipient(router, address))["status"] == "local"
    assert await router.resolved("postmaster@example.org") == ["root@far.example"]


async def test_limits_of_depth_and_width_are_settings(start: Any) -> None:
    router = await start(depth_limit=3, expansion_limit=5)
    await router.post("/v1/domains", name="example.org")
    for number in range(5):
        await router.post("/v1/aliases", address=f"c{number}@example.org", targets=[f"c{number + 1}@example.org"])
    assert (await recipient(router, "c0@example.org"))["reason"].startswith("5.4.6 c3@example.org is 3 steps away")
    for name in "ab":
        targets = [f"{name}{number}@far.example" for number in range(3)]
        await router.post("/v1/aliases", address=f"{name}@example.org", targets=targets)
    await router.post("/v1/aliases", address="all@example.org", targets=["a@example.org", "b@example.org"])
    assert (await recipient(router, "all@example.org"))["reason"] == (
        "5.5.3 all@example.org leads to more than 5 addresses"
    )
    six = [f"m{number}@far.example" for number in range(6)]
    refused = await router.post("/v1/aliases", address="six@example.org", targets=six, expect=422)
    assert refused["detail"] == "an address may lead to at most 5 others, not 6"


async def test_nonsense_is_an_unknown_recipient_and_a_wrong_question(people: Any) -> None:
    assert (await recipient(people, "no-at-sign"))["status"] == "unknown"
    assert (await recipient(people, "x@far.example"))["status"] == "not_ours"
    await people.get("/v1/resolve", address="no-at-sign", expect=422)


async def test_a_domain_may_have_a_message_limit_of_its_own(people: Any) -> None:
    assert (await recipient(people, MARIE))["max_size_bytes"] is None
    await people.call("PATCH", "/v1/domains/example.org", expect=200, json={"max_message_bytes": 5000})
    assert (await recipient(people, MARIE))["max_size_bytes"] == 5000

"""Policies, lists, rules and blacklisted peers over HTTP, and their effect in every replica."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from libs.mongo import Mongo
from services.antispam.filtering.mongo_counters import MongoCounters

WATCHES = b"From: a@elsewhere.example\r\nTo: m@a.example\r\nSubject: cheap WATCHES\r\n\r\nbuy them now\r\n"


async def test_a_policy_is_inherited_changed_and_reset(replica: Any) -> None:
    await replica.call("PATCH", "/v1/policies/default", json={"required": 5, "filters": {"han": True}})
    patched = await replica.call("PATCH", "/v1/policies/A.example", json={"action": "junk", "filters": {"helo": False}})
    assert patched.json()["own"] == ["action", "filters"]
    read = await replica.get("/v1/policies/a.example")
    assert read["domain"] == "a.example"
    assert {name: read["policy"][name] for name in ("required", "action", "filters")} == {
        "required": 5.0,
        "action": "junk",
        "filters": {"han": True, "helo": False},
    }
    await replica.call("PATCH", "/v1/policies/a.example", json={"action": None, "filters": {"helo": None}})
    assert (await replica.get("/v1/policies/a.example"))["policy"]["filters"] == {"han": True}
    await replica.call("PUT", "/v1/policies/a.example", json={"required": 9})
    assert (await replica.get("/v1/policies/a.example"))["own"] == ["required"]
    await replica.call("DELETE", "/v1/policies/a.example", expect=204)
    assert (await replica.get("/v1/policies/a.example"))["policy"]["required"] == 5.0


@pytest.mark.parametrize(
    ("domain", "change"),
    [
        ("a.example", {"action": "drop"}),
        ("a.example", {"filters": {"no_such_filter": True}}),
        ("a.example", {"filters": 1}),
        ("a.example", {"unheard_of": 1}),
        ("no domain", {"action": "junk"}),
    ],
)
async def test_a_policy_that_does_not_fit_is_refused_and_nothing_changes(
    replica: Any, domain: str, change: dict[str, Any]
) -> None:
    await replica.call("PATCH", f"/v1/policies/{domain}", json=change, expect=422)
    assert (await replica.get("/v1/policies/a.example"))["own"] == []


async def test_of_two_editors_of_one_policy_the_second_is_told(replica: Any) -> None:
    path = "/v1/policies/a.example"
    tag = {"If-Match": (await replica.call("GET", path)).headers["etag"]}
    await replica.call("PATCH", path, json={"action": "junk"}, headers=tag)
    await replica.call("PATCH", path, json={"action": "tag"}, headers=tag, expect=412)
    assert (await replica.get(path))["policy"]["action"] == "junk"


async def test_entries_are_listed_by_pages_and_taken_out(replica: Any) -> None:
    path = "/v1/lists/sender_black"
    for value, status in (("c.example", 201), ("A@b.example", 201), (".d.example", 201), ("c.example", 200)):
        await replica.call("POST", path, json={"value": value, "domain": "a.example", "comment": "x"}, expect=status)
    first = await replica.get(path, domain="a.example", limit=2)
    second = await replica.get(path, domain="a.example", limit=2, after=first["next"])
    assert [item["value"] for item in first["items"] + second["items"]] == [".d.example", "a@b.example", "c.example"]
    assert second["next"] is None
    assert (await replica.get(path))["items"] == []
    entry = second["items"][0]
    assert await replica.get(f"{path}/{entry['id']}") == entry
    await replica.call("DELETE", f"{path}/{entry['id']}", expect=204)
    await replica.call("DELETE", f"{path}/{entry['id']}", expect=404)


@pytest.mark.parametrize(
    ("kind", "value"),
    [("sender_black", "192.0.2.1"), ("peer_white", "a.example"), ("peer_black", "1.2.3"), ("x", "a.b")],
)
async def test_an_entry_of_the_wrong_kind_is_refused(replica: Any, kind: str, value: str) -> None:
    await replica.call("POST", f"/v1/lists/{kind}", json={"value": value}, expect=422)


async def test_another_replica_minds_a_list_as_soon_as_it_changes(start: Any, eventually: Any) -> None:
    one, other = await start(), await start()
    asked = {"peer": "192.0.2.1", "domain": "a.example"}
    assert await other.outcome("ip_blacklist", **asked) == "miss"
    entry = {"value": "192.0.2.0/24", "domain": "a.example"}
    await one.call("POST", "/v1/lists/peer_black", json=entry, expect=201)

    async def minded() -> bool:
        return bool(await other.outcome("ip_blacklist", **asked) == "hit")

    await eventually(minded)
    assert await other.outcome("ip_blacklist", peer="192.0.2.1", domain="b.example") == "miss"


async def test_keywords_exceptions_and_logic_work_together(replica: Any) -> None:
    rules = "/v1/rules"
    watches = {"pattern": "(?i)cheap watches", "area": "subject", "score": 4, "hits": ["Cheap watches"]}
    made = await replica.call("PUT", f"{rules}/keyword/watches", json=watches)
    assert made.json()["rule"]["score"] == 4.0
    expression = {"expression": "keywords >= 4 and missing_date", "score": 4.5}
    await replica.call("PUT", f"{rules}/logic/bad-watches", json=expression, params={"domain": "a.example"})
    checked = await replica.check(WATCHES, domain="a.example")
    scores = {found["filter"]: found["score"] for found in checked["findings"] if found["outcome"] == "hit"}
    assert (scores["keywords"], scores["logic"], checked["spam"]) == (4.0, 4.5, True)
    assert await replica.outcome("logic", WATCHES, domain="b.example") == "miss"
    spared = {"pattern": "buy them now", "spares": ["watches"]}
    await replica.call("PUT", f"{rules}/exception/now", json=spared)
    assert await replica.outcome("keywords", WATCHES, domain="a.example") == "miss"
    await replica.call("DELETE", f"{rules}/exception/now", expect=204)
    assert await replica.outcome("keywords", WATCHES, domain="a.example") == "hit"
    assert [item["name"] for item in (await replica.get(f"{rules}/keyword"))["items"]] == ["watches"]


@pytest.mark.parametrize(
    ("path", "rule"),
    [
        ("keyword/x", {"pattern": "("}),
        ("keyword/x", {"pattern": "a*"}),
        ("keyword/x", {"pattern": "a", "hits": ["b"]}),
        ("logic/x", {"expression": "no_such_filter > 1"}),
        ("logic/x", {"expression": "size >"}),
        ("keyword/No Name", {"pattern": "a"}),
    ],
)
async def test_a_rule_that_cannot_work_is_not_saved(replica: Any, path: str, rule: dict[str, Any]) -> None:
    await replica.call("PUT", f"/v1/rules/{path}", json=rule, expect=422)
    assert (await replica.get(f"/v1/rules/{path.partition('/')[0]}"))["items"] == []


async def test_a_name_belongs_to_one_rule_and_edits_do_not_overwrite_each_other(replica: Any) -> None:
    first = await replica.call("PUT", "/v1/rules/keyword/x", json={"pattern": "a"})
    tag = {"If-Match": first.headers["etag"]}
    await replica.call("PUT", "/v1/rules/keyword/x", json={"pattern": "b"}, headers=tag)
    await replica.call("PUT", "/v1/rules/keyword/x", json={"pattern": "c"}, headers=tag, expect=412)
    await replica.call("PUT", "/v1/rules/keyword/x", json={"pattern": "c"}, params={"domain": "a.example"}, expect=409)
    await replica.call("PUT", "/v1/rules/logic/x", json={"expression": "size > 1"}, expect=409)


async def test_a_rule_counts_its_hits_and_a_domain_its_mail(replica: Any, post: Any, eventually: Any) -> None:
    await replica.call(
        "PUT", "/v1/rules/keyword/watches", json={"pattern": "(?i)watches", "area": "subject", "score": 9}
    )
    for _ in range(3):
        await post.taken(await post.send(WATCHES, "m@a.example"))
    await replica.check(WATCHES, domain="a.example")  # which is not counted

    async def counted() -> bool:
        rule = await replica.get("/v1/rules/keyword/watches/counts")
        days = (await replica.get("/v1/statistics/a.example"))["items"]
        counts = days[-1]["counts"] if days else {}
        assert rule["hits"] <= 3
        return bool(rule["hits"] == 3 and counts["received"] == counts["spam"] == counts["filter:keywords"] == 3)

    await eventually(counted)


async def test_a_blacklisted_peer_is_known_to_all_replicas_and_outlives_them(start: Any, eventually: Any) -> None:
    one, other = await start(), await start()
    peer = {"address": "192.0.2.1", "seconds": 600, "reason": "honeypot"}
    await one.call("POST", "/v1/blacklisted-peers", json=peer, expect=201)

    async def refused(replica: Any = other) -> bool:
        return bool(await replica.outcome("cached_peer", peer="192.0.2.1") == "hit")

    await eventually(refused)
    assert await refused(await start())
    assert [item["reason"] for item in (await other.get("/v1/blacklisted-peers"))["items"]] == ["honeypot"]
    await other.call("DELETE", "/v1/blacklisted-peers/192.0.2.1", expect=204)

    async def forgiven() -> bool:
        return not await refused(one)

    await eventually(forgiven)


async def test_a_network_is_blacklisted_and_forgiven_as_a_peer_is(replica: Any) -> None:
    path = "/v1/blacklisted-peers"
    for given, shown in (("2001:db8::/64", "2001:db8::/64"), ("2001:db8:1::9", "2001:db8:1::/64")):
        made = (await replica.call("POST", path, json={"address": given}, expect=201)).json()
        assert made["address"] == shown
    for peer, outcome in (("2001:db8::77", "hit"), ("2001:db8:1::1", "hit"), ("2001:db8:2::1", "miss")):
        assert await replica.outcome("cached_peer", peer=peer) == outcome
    await replica.call("DELETE", f"{path}/2001:db8::/64", expect=204)
    assert await replica.outcome("cached_peer", peer="2001:db8::77") == "miss"
    assert [item["address"] for item in (await replica.get(path))["items"]] == ["2001:db8:1::/64"]
    for wrong in ("localhost", "0.0.0.0/0", "192.0.2.0/33"):
        await replica.call("POST", path, json={"address": wrong}, expect=422)


async def test_statistics_are_kept_for_so_long_and_those_without_an_end_get_one(mongo: Mongo) -> None:
    database = mongo.database("antispam")
    old = {"_id": {"domain": "a.example", "day": "2026-01-01"}, "counts": {"received": 1}}
    await database["statistics"].insert_one(old)
    counters = MongoCounters(database, keep=timedelta(days=400))
    await counters.prepare()
    await counters.prepare()
    await counters.add({("a.example", "2026-01-02"): {"received": 2}})
    await counters.add_for_accounts({("m@a.example", "2026-01-02"): {"received": 2}})
    ends = [found["until"] async for found in database["statistics"].find().sort("_id", 1)]
    assert ends == [datetime(2027, 2, 5, tzinfo=UTC), datetime(2027, 2, 6, tzinfo=UTC)]
    for name in ("statistics", "account_statistics"):
        indexes = await database[name].index_information()
        assert indexes["until_1"]["expireAfterSeconds"] == 0


async def test_check_explains_every_filter_with_its_time(replica: Any) -> None:
    checked = await replica.check(WATCHES, **{"from": "", "peer": "192.0.2.1", "helo": "friend", "to": "m@a.example"})
    chain = [step["name"] for step in (await replica.get("/v1/filters"))["items"]]
    assert [found["filter"] for found in checked["findings"]] == chain
    by_name = {found["filter"]: found for found in checked["findings"]}
    assert (by_name["helo"]["outcome"], by_name["helo"]["score"]) == ("hit", 1.5)
    assert by_name["no_sender"]["outcome"] == "hit"
    assert by_name["han"]["outcome"] == "off"
    assert all(found["ms"] > 0 for found in checked["findings"] if found["outcome"] in ("hit", "miss"))
    assert checked["score"] == pytest.approx(sum(found["score"] for found in checked["findings"]))
    assert (checked["required"], checked["spam"]) == (7.5, False)


async def test_check_speaks_the_convention_of_the_domain(replica: Any) -> None:
    await replica.call("PATCH", "/v1/policies/a.example", json={"convention": "below_zero"})
    usual, below = await replica.check(WATCHES), await replica.check(WATCHES, domain="a.example")
    assert below["required"] == 0
    assert below["score"] == pytest.approx(7.5 - usual["score"])


@pytest.mark.parametrize(
    ("method", "path", "token", "status"),
    [
        ("POST", "/v1/check", "nobody", 401),
        ("GET", "/v1/filters", "nobody", 401),
        ("PATCH", "/v1/policies/a.example", "store", 403),
        ("DELETE", "/v1/lists/sender_black/1", "store", 403),
        ("PUT", "/v1/rules/keyword/x", "store", 403),
        ("GET", "/v1/statistics/a.example", "nobody", 401),
        ("POST", "/v1/check", "admin", 422),
    ],
)
async def test_each_caller_may_do_its_own_operations(
    replica: Any, method: str, path: str, token: str, status: int
) -> None:
    await replica.call(method, path, token=token, expect=status, json={} if method in ("PATCH", "PUT") else None)


async def test_the_metrics_name_every_filter(replica: Any) -> None:
    page = (await replica.call("GET", "/metrics")).text
    assert 'facteur_antispam_filter_runs_total{filter="helo"}' in page

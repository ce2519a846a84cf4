"""The API of antispam: versions, parallel changes, pages, and limits of names and numbers."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

POLICY = "/v1/policies/a.example"
RULE = "/v1/rules/keyword/x"
PATTERN = {"pattern": "cheap"}


async def tag_of(replica: Any, path: str) -> str:
    return str((await replica.call("GET", path)).headers["ETag"])


async def test_parallel_changes_of_a_policy_without_a_precondition_all_succeed(replica: Any) -> None:
    names = ("han", "helo", "spf_none", "cyrillic", "click_here", "html_only", "image_only", "wrong_date")
    await asyncio.gather(*(replica.call("PATCH", POLICY, json={"filters": {name: False}}) for name in names))
    assert (await replica.get(POLICY))["policy"]["filters"] == dict.fromkeys(names, False)


async def test_parallel_writes_of_a_rule_without_a_precondition_all_succeed(replica: Any) -> None:
    calls = [replica.call("PUT", RULE, json={"pattern": f"cheap{n}"}) for n in range(8)]
    assert len({answer.headers["ETag"] for answer in await asyncio.gather(*calls)}) == 8


async def test_a_policy_under_another_default_is_another_version(replica: Any) -> None:
    await replica.call("PATCH", POLICY, json={"action": "junk"})
    tags = [await tag_of(replica, POLICY)]
    await replica.call("PATCH", "/v1/policies/default", json={"required": 6})
    tags.append(await tag_of(replica, POLICY))
    await replica.call("DELETE", POLICY, expect=204, headers={"If-Match": tags[1]})
    tags.append(await tag_of(replica, POLICY))
    assert len(set(tags)) == 3
    for method, body in (("PUT", {}), ("PATCH", {"action": "tag"}), ("DELETE", None)):
        await replica.call(method, POLICY, json=body, headers={"If-Match": tags[0]}, expect=412)


async def test_a_rule_that_is_made_again_is_another_one(replica: Any) -> None:
    first = (await replica.call("PUT", RULE, json=PATTERN)).headers["ETag"]
    await replica.call("DELETE", RULE, expect=412, headers={"If-Match": '"7"'})
    await replica.call("DELETE", RULE, expect=204, headers={"If-Match": first})
    await replica.call("PUT", RULE, json=PATTERN, expect=412, headers={"If-Match": "*"})
    second = (await replica.call("PUT", RULE, json=PATTERN)).headers["ETag"]
    assert second == await tag_of(replica, RULE) != first
    await replica.call("PUT", RULE, json=PATTERN, expect=412, headers={"If-Match": first})
    await replica.call("DELETE", RULE, expect=412, headers={"If-Match": first})


async def test_the_hits_of_a_rule_are_outside_of_what_has_a_tag(replica: Any) -> None:
    await replica.call("PUT", RULE, json=PATTERN)
    assert "hits" not in await replica.get(RULE)
    assert (await replica.get(f"{RULE}/counts")) == {"hits": 0}
    assert [row["hits"] for row in (await replica.get("/v1/rules/keyword"))["items"]] == [0]


async def test_an_address_with_a_slash_has_a_path(replica: Any) -> None:
    body = {"address": "a/b@far.example"}
    made = await replica.call("POST", "/v1/automatic-whitelist/a.example", json=body, expect=201)
    assert made.headers["Location"] == "/v1/automatic-whitelist/a.example/a%2Fb@far.example"
    assert made.json()["validated"] is True
    again = await replica.call("POST", "/v1/automatic-whitelist/a.example", json=body, expect=200)
    assert again.json()["first_at"] == made.json()["first_at"]
    await replica.call("DELETE", "/v1/automatic-whitelist/a.example/a%2Fb@far.example", expect=204)
    await replica.call("POST", "/v1/honeypots", json={"address": "a/b@a.example"}, expect=201)
    await replica.call("DELETE", "/v1/honeypots/a%2Fb@a.example", expect=204)
    assert (await replica.get("/v1/statistics/accounts/a%2Fb@a.example"))["items"] == []


BAD: list[tuple[str, str, Any]] = [
    ("PATCH", POLICY, {"required": True}),
    ("PATCH", POLICY, {"required": "5"}),
    ("PATCH", POLICY, {"training": 0}),
    ("PATCH", POLICY, {"filters": {"han": "no"}}),
    ("PATCH", POLICY, {"filters": {"han": 1}}),
    ("PATCH", POLICY, {"scores": {"keywords": "1"}}),
    ("PATCH", POLICY, {"subject_prefix": "a\0"}),
    ("PUT", POLICY, {"required": False}),
    ("PUT", POLICY, {"languages": "fr"}),
    ("PUT", RULE, {**PATTERN, "score": True}),
    ("PUT", RULE, {**PATTERN, "enabled": "yes"}),
    ("PUT", RULE, {**PATTERN, "unknown": 1}),
    ("POST", "/v1/blacklisted-peers", {"address": 2130706433}),
    ("POST", "/v1/blacklisted-peers", {"address": "192.0.2.1", "seconds": "60"}),
    ("POST", "/v1/blacklisted-peers", {"address": "192.0.2.1", "secs": 60}),
    ("POST", "/v1/lists/sender_white", {"value": "a@far.example", "domains": "a.example"}),
    ("GET", "/v1/blacklisted-peers?after=192.0.2.1", None),
    ("GET", "/v1/rules/keyword?after=x", None),
    ("GET", "/v1/rules/keyword?kind=logic", None),
    ("GET", "/v1/statistics/a.example?since=20260101", None),
    ("GET", "/v1/statistics/a.example?from=2026-01-01", None),
    ("GET", "/v1/statistics/a.example?since=2026-13-01", None),
]


@pytest.mark.parametrize(("method", "path", "body"), BAD)
async def test_invalid_fields_are_refused(replica: Any, method: str, path: str, body: Any) -> None:
    await replica.call(method, path, expect=422, json=body)


async def test_the_first_days_of_the_calendar_are_no_trouble(replica: Any) -> None:
    assert (await replica.get("/v1/statistics/a.example", until="0001-01-02"))["items"] == []

"""The store's API as an API: versions, keys, pages, names and numbers at their edges."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import quote

import pytest

from tests.integration.store.building import MARIE, Store, a_mail, a_message

BOX = f"/v1/mailboxes/{MARIE}"


async def appended(store: Store, box: str = BOX, **params: Any) -> tuple[str, dict[str, Any], str]:
    """Where it is, what it is, its tag."""
    answer = await store.http.post(f"{box}/messages", content=a_message(), params=params)
    assert answer.status_code == 201, answer.text
    return answer.headers["location"], answer.json(), answer.headers["etag"]


async def made(store: Store, name: str = "Work") -> tuple[str, str]:
    answer = await store.http.post(f"{BOX}/folders", json={"name": name})
    return f"{BOX}/folders/{answer.json()['id']}", answer.headers["etag"]


def bad_tags(tag: str, item: dict[str, Any]) -> list[str]:
    """Greater numbers, numbers alone, weak tags, those of others."""
    return ['"99"', f'"{item["modseq"]}"', f'"{item["modseq"] + 5}-inbox"', f"W/{tag}", tag.strip('"'), ""]


async def test_a_change_of_a_message_holds_its_precondition_by_equality(marie: Store) -> None:
    path, item, tag = await appended(marie)
    assert (await marie.http.get(path)).headers["etag"] == tag
    for wrong in bad_tags(tag, item):
        for method, body in (("PATCH", {"add": ["\\Seen"]}), ("DELETE", None)):
            answer = await marie.http.request(method, path, json=body, headers={"If-Match": wrong})
            assert answer.status_code == 412, (method, wrong)
    changed = await marie.http.patch(path, json={"add": ["\\Seen"]}, headers={"If-Match": tag})
    assert (changed.status_code, changed.headers["etag"] != tag) == (200, True)
    assert (await marie.http.delete(path, headers={"If-Match": tag})).status_code == 412
    assert (await marie.http.delete(path, headers={"If-Match": changed.headers["etag"]})).status_code == 204


async def test_a_message_that_was_moved_is_another_version(marie: Store) -> None:
    path, item, tag = await appended(marie)
    tags = {tag}
    for folder in ("Trash", "INBOX", "Trash"):
        await marie.http.post(f"{BOX}/messages/move", json={"ids": [item["id"]], "folder": folder})
        tags.add((await marie.http.get(path)).headers["etag"])
    assert len(tags) == 4
    assert (await marie.http.delete(path, headers={"If-Match": tag})).status_code == 412


async def test_a_change_of_a_folder_holds_its_precondition_by_equality(marie: Store) -> None:
    path, tag = await made(marie)
    for wrong in ('"1"', '"2"', f"W/{tag}", ""):
        for method, place, body in (
            ("PATCH", path, {"name": "x"}),
            ("DELETE", path, None),
            ("POST", f"{path}/empty", None),
        ):
            answer = await marie.http.request(method, place, json=body, headers={"If-Match": wrong})
            assert answer.status_code == 412, (method, wrong)
    renamed = await marie.http.patch(path, json={"name": "Other"}, headers={"If-Match": tag})
    assert (await marie.http.delete(path, headers={"If-Match": tag})).status_code == 412
    assert (await marie.http.delete(path, headers={"If-Match": renamed.headers["etag"]})).status_code == 204
    again, new = await made(marie)
    assert again != path
    assert new != tag


async def test_counters_are_outside_of_what_has_a_tag(marie: Store) -> None:
    path = f"{BOX}/folders/inbox"
    before = await marie.http.get(path)
    await appended(marie)
    after = await marie.http.get(path)
    assert (after.json(), after.headers["etag"]) == (before.json(), before.headers["etag"])
    counts = await marie.get(f"{path}/counts")
    row = (await marie.get(f"{BOX}/folders"))["items"][0]
    assert counts["messages"] == 1
    assert row == {**after.json(), **counts}


async def test_parallel_changes_without_a_precondition_all_succeed(marie: Store) -> None:
    path, _, _ = await appended(marie)
    calls = [marie.http.patch(path, json={"add": [f"label{n}"]}) for n in range(8)]
    assert {answer.status_code for answer in await asyncio.gather(*calls)} == {200}
    assert len((await marie.get(path))["flags"]) == 8


async def append(store: Store, body: bytes, key: str = "k", **params: Any) -> Any:
    headers = {"Idempotency-Key": key, "Content-Type": "message/rfc822"}
    return await store.http.post(f"{BOX}/messages", content=body, params=params, headers=headers)


async def test_a_key_appends_one_message_of_any_number_at_once(marie: Store) -> None:
    answers = await asyncio.gather(*(append(marie, a_message()) for _ in range(6)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert len(await marie.items()) == 1


async def test_a_key_with_another_message_or_place_is_refused(marie: Store) -> None:
    await append(marie, a_message("one"))
    assert (await append(marie, a_message("two"))).status_code == 422
    assert (await append(marie, a_message("one"), folder="Drafts")).status_code == 422
    copy = {"ids": ["x"], "folder": "Sent"}
    answer = await marie.http.post(f"{BOX}/messages/copy", json=copy, headers={"Idempotency-Key": "k"})
    assert answer.status_code == 422
    assert len(await marie.items()) == 1


async def test_a_key_whose_message_is_gone_appends_nothing(marie: Store) -> None:
    first = await append(marie, a_message())
    await marie.http.delete(first.headers["location"])
    assert (await append(marie, a_message())).status_code == 410
    assert await marie.items() == []


async def test_a_key_whose_copies_are_gone_copies_nothing(marie: Store) -> None:
    _, item, _ = await appended(marie)
    request: dict[str, Any] = {"json": {"ids": [item["id"]], "folder": "Sent"}, "headers": {"Idempotency-Key": "c"}}
    copies = (await marie.http.post(f"{BOX}/messages/copy", **request)).json()["items"]
    await marie.http.post(f"{BOX}/messages/delete", json={"ids": [copies[0]["id"]]})
    assert (await marie.http.post(f"{BOX}/messages/copy", **request)).status_code == 410
    assert await marie.items(folder="Sent") == []


async def test_what_is_no_message_is_not_appended(marie: Store) -> None:
    answer = await marie.http.post(f"{BOX}/messages", content=b"x", headers={"Content-Type": "text/plain"})
    assert answer.status_code == 415


@pytest.mark.parametrize(
    "address", ["a/b@example.org", "a/messages/b@example.org", "a?b#c@example.org", "é/è@example.org"]
)
async def test_every_lawful_address_has_a_path(marie: Store, address: str) -> None:
    await marie.deliver(a_mail(a_message(), address))
    box = f"/v1/mailboxes/{quote(address, safe='@')}"

    async def there() -> bool:
        return bool((await marie.http.get(f"{box}/messages")).status_code == 200)

    await marie.until(there)
    path, item, _ = await appended(marie, box)
    assert item["id"] in [found["id"] for found in (await marie.get(f"{box}/messages"))["items"]]
    assert (await marie.http.get(f"{path}/raw")).status_code == 200
    assert (await marie.http.get(f"{box}/folders/inbox")).status_code == 200
    assert (await marie.http.patch(path, json={"add": ["\\Seen"]})).status_code == 200
    assert (await marie.http.delete(path)).status_code == 204


BAD: list[tuple[str, str, Any]] = [
    ("GET", "/messages?after=99999999999999999999", None),
    ("GET", "/messages?after=5", None),
    ("GET", "/messages?changed_since=99999999999999999999", None),
    ("GET", "/messages?changed_since=9223372036854775808", None),
    ("GET", "/messages?flag=x", None),
    ("GET", "/messages?limit=1&limit=2", None),
    ("GET", "/search?larger_than_bytes=99999999999999999999", None),
    ("GET", "/search?smaller_than_bytes=9223372036854775808", None),
    ("GET", "/search?body=x", None),
    ("GET", "/search?after=x", None),
    ("GET", "/search?subject=a%00b", None),
    ("GET", "/search?since=20261127", None),
    ("GET", "/search?since=2026-11-27T00:00:00", None),
    ("GET", "/search?until=9999-12-31T23:59:59-01:00", None),
    ("GET", "/folders?limit=5", None),
    ("GET", "/folders/inbox/vanished?since=9223372036854775808", None),
    ("GET", "/usage?recount=1", None),
    ("POST", "/messages?received_at=0001-01-01T00:00:00%2B10:00", None),
    ("POST", "/folders", {"name": "a", "special_use": "x"}),
    ("POST", "/folders", {"name": 5}),
    ("POST", "/messages/flags", {"ids": "x", "add": []}),
    ("POST", "/messages/move", {"ids": ["x"], "folder": "Trash", "copy": True}),
]


@pytest.mark.parametrize(("method", "path", "body"), BAD)
async def test_what_does_not_fit_is_refused(marie: Store, method: str, path: str, body: Any) -> None:
    answer = await marie.http.request(method, BOX + path, json=body)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")


async def test_the_greatest_numbers_and_the_ends_of_the_calendar_are_no_trouble(marie: Store) -> None:
    await appended(marie)
    for query in (
        f"search?larger_than_bytes={2**63 - 1}",
        f"search?smaller_than_bytes={2**63 - 1}",
        f"messages?changed_since={2**63 - 1}",
        "search?since=0001-01-01T00:00:00Z",
        "search?until=9999-12-31T23:59:59Z",
        f"folders/inbox/vanished?since={2**63 - 1}",
    ):
        assert (await marie.http.get(f"{BOX}/{query}")).status_code == 200, query


async def test_no_page_of_a_search_for_text_is_empty_and_has_a_next_one(
    marie: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.store.api.messages.READ_AT_ONCE", 2)
    await marie.http.post(f"{BOX}/messages", content=a_message(subject="needle"))
    for number in range(7):
        await marie.http.post(f"{BOX}/messages", content=a_message(subject=f"straw {number}"))
    page = await marie.get(f"{BOX}/search", text="needle")
    assert [item["subject"] for item in page["items"]] == ["needle"]
    assert await marie.get(f"{BOX}/search", text="nothing at all") == {"items": [], "next": None}


async def test_a_search_for_text_that_takes_too_long_says_where_it_stands(
    marie: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.store.api.messages.READ_AT_ONCE", 1)
    monkeypatch.setattr("services.store.api.messages.SEARCH_SECONDS", 0.0)
    for subject in ("needle", "straw", "straw"):
        await marie.http.post(f"{BOX}/messages", content=a_message(subject=subject))
    params, found = {"text": "needle"}, []
    for _ in range(10):
        answer = await marie.http.get(f"{BOX}/search", params=params)
        if answer.status_code == 200:
            found = answer.json()["items"]
            break
        assert (answer.status_code, answer.json()["type"]) == (422, "urn:facteur:problem:search-timeout")
        params["after"] = answer.json()["next"]
    assert [item["subject"] for item in found] == ["needle"]

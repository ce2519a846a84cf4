"""Folders and messages over HTTP."""

from __future__ import annotations

import base64
from typing import Any

from libs.bus import Event
from libs.events import JunkMoved
from tests.integration.store.building import MARIE, Store, a_mail, a_message

BOX = f"/v1/mailboxes/{MARIE}"


async def appended(store: Store, raw: bytes = b"", **params: Any) -> dict[str, Any]:
    response = await store.http.post(f"{BOX}/messages", content=raw or a_message(), params=params)
    assert response.status_code == 201, response.text
    return dict(response.json())


async def exact(store: Store) -> list[dict[str, Any]]:
    """The folders, after a check that the counters are what a recount finds."""
    before = (await store.get(f"{BOX}/folders"))["items"]
    usage = await store.get(f"{BOX}/usage")
    recounted = await store.get(f"{BOX}/usage", recount=True)
    assert {**recounted, "version": 0} == {**usage, "version": 0}
    assert (await store.get(f"{BOX}/folders"))["items"] == before
    return list(before)


async def test_without_a_token_there_is_no_answer_and_unknown_things_are_404(store: Store) -> None:
    response = await store.http.get(f"{BOX}/folders", headers={"Authorization": "Bearer wrong"})
    assert response.status_code == 401
    for path in (f"{BOX}/folders", f"{BOX}/messages", f"{BOX}/usage", f"{BOX}/messages/x/raw", "/v1/quarantine/x"):
        response = await store.http.get(path)
        assert (response.status_code, response.headers["content-type"]) == (404, "application/problem+json")


async def test_folders_are_created_with_parents_renamed_with_children_and_deleted(marie: Store) -> None:
    created = await marie.http.post(f"{BOX}/folders", json={"name": "Projects/2030/Été"})
    assert created.status_code == 201
    again = await marie.http.post(f"{BOX}/folders", json={"name": "Projects/2030"})
    assert again.status_code == 409
    folders = {folder["name"]: folder for folder in (await marie.get(f"{BOX}/folders"))["items"]}
    assert list(folders) == [
        "INBOX",
        "Drafts",
        "Sent",
        "Junk",
        "Trash",
        "Projects",
        "Projects/2030",
        "Projects/2030/Été",
    ]
    top = f"{BOX}/folders/{folders['Projects']['id']}"
    stale = await marie.http.patch(top, json={"name": "Work"}, headers={"If-Match": '"7"'})
    assert stale.status_code == 412
    tag = (await marie.http.get(top)).headers["etag"]
    renamed = await marie.http.patch(top, json={"name": "Work"}, headers={"If-Match": tag})
    assert (renamed.status_code, renamed.headers["etag"] != tag) == (200, True)
    assert (await marie.get(f"{BOX}/folders/{created.json()['id']}"))["name"] == "Work/2030/Été"
    await appended(marie, folder="Work/2030/Été")
    assert (await marie.http.delete(top)).status_code == 409
    assert (await marie.http.delete(f"{BOX}/folders/{created.json()['id']}")).status_code == 204
    remade = await marie.http.post(f"{BOX}/folders", json={"name": "Work/2030/Été"})
    assert remade.json()["uidvalidity"] > created.json()["uidvalidity"]
    assert (await marie.get(f"{BOX}/usage"))["messages"] == 0


WRONG: list[tuple[str, str, Any, int]] = [
    ("POST", "/folders", {"name": "a//b"}, 422),
    ("POST", "/folders", {"name": "a\r\nb"}, 422),
    ("POST", "/folders", {"name": "inbox"}, 409),
    ("POST", "/folders", {"name": "x" * 300}, 422),
    ("PATCH", "/folders/inbox", {"name": "Other"}, 409),
    ("PATCH", "/folders/nothing", {"name": "Other"}, 404),
    ("DELETE", "/folders/trash", None, 409),
    ("POST", "/messages/move", {"ids": ["x"], "folder": "INBOX"}, 404),
    ("POST", "/messages/move", {"ids": ["x"], "folder": "Nowhere"}, 404),
    ("POST", "/messages/flags", {"ids": ["x"], "add": ["two words"]}, 422),
    ("POST", "/messages/flags", {"ids": []}, 422),
    ("GET", "/messages?folder=INBOX&after=abc", None, 422),
    ("GET", "/messages?limit=100000", None, 422),
    ("GET", "/search?flag=(bad", None, 422),
    ("POST", "/messages?folder=Nowhere", "x", 404),
    ("POST", "/messages", None, 422),
]


async def test_wrong_requests_get_their_status(marie: Store) -> None:
    for method, path, body, status in WRONG:
        response = await marie.http.request(method, BOX + path, json=body)
        assert (response.status_code, response.headers["content-type"]) == (status, "application/problem+json"), path


async def test_a_list_is_paged_by_uid_in_both_orders(marie: Store) -> None:
    for n in range(7):
        await appended(marie, a_message(f"no {n}"))
    for order, expected in (("newest", [7, 6, 5, 4, 3, 2, 1]), ("oldest", [1, 2, 3, 4, 5, 6, 7])):
        seen: list[int] = []
        after: str | None = ""
        while after is not None:
            page = await marie.get(f"{BOX}/messages", folder="inbox", limit=3, order=order, after=after)
            seen += [item["uid"] for item in page["items"]]
            after = page["next"]
        assert seen == expected


async def test_flags_change_with_modseq_and_unseen_counts_and_if_match_guards(marie: Store) -> None:
    one, two = await appended(marie), await appended(marie, a_message("two"), flag=["\\seen", "$forwarded"])
    assert two["flags"] == ["$Forwarded", "\\Seen"]
    path = f"{BOX}/messages/{one['id']}"
    read = await marie.http.get(path)
    tag = {"If-Match": read.headers["etag"]}
    changed = await marie.http.patch(path, json={"add": ["\\SEEN", "MyLabel"]}, headers=tag)
    assert (changed.status_code, changed.json()["flags"]) == (200, ["\\Seen", "mylabel"])
    assert changed.json()["modseq"] > max(one["modseq"], two["modseq"])
    late = await marie.http.patch(path, json={"remove": ["\\Seen"]}, headers=tag)
    assert late.status_code == 412
    many = {"ids": [one["id"], two["id"], "unknown"], "set": ["\\Flagged"], "remove": ["\\Seen"]}
    response = await marie.http.post(f"{BOX}/messages/flags", json=many)
    assert [item["flags"] for item in response.json()["items"]] == [["\\Flagged"], ["\\Flagged"]]
    same = await marie.http.post(f"{BOX}/messages/flags", json=many)
    assert same.json() == response.json()  # nothing changed, so nothing is numbered
    since = changed.json()["modseq"]
    assert len((await marie.get(f"{BOX}/messages", changed_since=since))["items"]) == 2
    inbox = (await exact(marie))[0]
    assert (inbox["messages"], inbox["unseen"]) == (2, 2)


async def test_moved_messages_keep_their_id_and_leave_their_uid_behind(marie: Store) -> None:
    items = [await appended(marie, a_message(f"no {n}")) for n in range(3)]
    before = (await marie.get(f"{BOX}/folders"))["items"][0]["highestmodseq"]
    moved = await marie.http.post(f"{BOX}/messages/move", json={"ids": [i["id"] for i in items[:2]], "folder": "Trash"})
    assert [(item["id"], item["uid"]) for item in moved.json()["items"]] == [(items[0]["id"], 1), (items[1]["id"], 2)]
    again = await marie.http.post(f"{BOX}/messages/move", json={"ids": [items[0]["id"]], "folder": "Trash"})
    assert again.json()["items"][0]["uid"] == 1
    gone = await marie.get(f"{BOX}/folders/inbox/vanished", since=before)
    assert gone["uids"] == [1, 2]
    assert gone["highestmodseq"] == before + 1
    assert (await marie.get(f"{BOX}/folders/inbox/vanished", since=before + 1))["uids"] == []
    back = await marie.http.post(f"{BOX}/messages/move", json={"ids": [items[0]["id"]], "folder": "INBOX"})
    assert back.json()["items"][0]["uid"] == 4
    await exact(marie)


async def test_copies_share_the_body_count_in_the_usage_and_are_made_once_for_a_key(marie: Store) -> None:
    item = await appended(marie, flag=["\\Seen"])
    request: dict[str, Any] = {"json": {"ids": [item["id"]], "folder": "Sent"}, "headers": {"Idempotency-Key": "k1"}}
    first = await marie.http.post(f"{BOX}/messages/copy", **request)
    again = await marie.http.post(f"{BOX}/messages/copy", **request)
    assert first.json()["items"][0]["id"] == again.json()["items"][0]["id"] != item["id"]
    usage = await marie.get(f"{BOX}/usage")
    assert (usage["messages"], usage["used_bytes"]) == (2, 2 * item["size"])
    assert await marie.raw(MARIE, first.json()["items"][0]["id"]) == await marie.raw(MARIE, item["id"])
    await exact(marie)


async def test_moves_and_copies_into_junk_and_out_of_it_are_told_once(marie: Store) -> None:
    heard: list[JunkMoved] = []

    async def hear(event: Event) -> None:
        heard.append(JunkMoved.from_bus(event))

    await marie.shared.bus.subscribe([JunkMoved.__name__], hear)
    one, two = [(await appended(marie, a_message(f"no {n}")))["id"] for n in range(2)]
    for ids, folder in (([one, two], "Junk"), ([one], "Junk"), ([one], "INBOX"), ([two], "Trash")):
        await marie.http.post(f"{BOX}/messages/move", json={"ids": ids, "folder": folder})
    copied = await marie.http.post(f"{BOX}/messages/copy", json={"ids": [one], "folder": "Junk"})

    async def all_heard() -> bool:
        return len(heard) == 3

    await marie.until(all_heard)
    assert [(fact.mailbox, set(fact.ids), fact.spam) for fact in heard] == [
        (MARIE, {one, two}, True),
        (MARIE, {one}, False),
        (MARIE, {copied.json()["items"][0]["id"]}, True),
    ]


async def test_append_is_done_once_for_a_key_and_keeps_flags_and_date(marie: Store) -> None:
    params = {"folder": "Drafts", "flag": ["\\Draft"], "received_at": "2020-02-02T02:02:02Z"}
    answers = [
        await marie.http.post(
            f"{BOX}/messages", content=a_message("draft"), params=params, headers={"Idempotency-Key": "one"}
        )
        for _ in range(2)
    ]
    assert answers[0].json() == answers[1].json()
    assert answers[0].headers["location"].endswith(answers[0].json()["id"])
    [item] = await marie.items(folder="Drafts")
    assert (item["flags"], item["received_at"]) == (["\\Draft"], "2020-02-02T02:02:02Z")
    assert await marie.raw(MARIE, item["id"]) == a_message("draft")


async def test_append_and_copy_over_the_quota_are_refused_and_change_nothing(marie: Store) -> None:
    raw = a_message()
    await marie.quota.put(f"/v1/limits/{MARIE}", json={"limit_bytes": len(raw) + 10})
    item = await appended(marie, raw)
    refused = await marie.http.post(f"{BOX}/messages", content=a_message("more"))
    assert (refused.status_code, "quota" in refused.json()["detail"]) == (409, True)
    refused = await marie.http.post(f"{BOX}/messages/copy", json={"ids": [item["id"]], "folder": "Sent"})
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:facteur:problem:over-quota")
    assert [folder["messages"] for folder in await exact(marie)] == [1, 0, 0, 0, 0]


async def test_search_finds_by_every_criterion_and_pages(marie: Store) -> None:
    await appended(marie, a_message("the red fox", subject="=?utf-8?q?R=C3=A9union?= (plan)"), flag=["\\Seen"])
    await appended(marie, a_message("the blue\r\nwhale", subject="Invoice"), folder="Sent")
    await appended(marie, a_message("nothing", subject="Invoice 2", size=2000))

    async def found(**params: Any) -> list[str]:
        return [item["subject"] for item in (await marie.get(f"{BOX}/search", **params))["items"]]

    assert await found(subject="RÉUNION (P") == ["Réunion (plan)"]
    assert await found(subject="invoice") == ["Invoice 2", "Invoice"]
    assert await found(subject="invoice", folder="Sent") == ["Invoice"]
    assert await found(**{"from": "luc@example.com", "flag": "\\Seen"}) == ["Réunion (plan)"]
    assert await found(without_flag="\\Seen", larger_than_bytes=1000) == ["Invoice 2"]
    assert await found(text="blue WHALE") == ["Invoice"]
    assert await found(text="réunion") == ["Réunion (plan)"]
    assert await found(subject=".*") == []
    assert await found(since="2999-01-01T00:00:00Z") == []
    assert len(await found(until="2999-01-01T00:00:00Z")) == 3
    page = await marie.get(f"{BOX}/search", subject="invoice", limit=1)
    page = await marie.get(f"{BOX}/search", subject="invoice", limit=1, after=page["next"])
    assert [item["subject"] for item in page["items"]] == ["Invoice"]


async def test_parts_are_listed_and_each_comes_decoded_and_harmless(marie: Store) -> None:
    encoded = base64.b64encode(b"<script>alert(1)</script>").decode()
    raw = (
        "Subject: =?utf-8?q?caf=C3=A9?=\r\nX-One: 1\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/mixed; boundary="b"\r\n\r\n'
        "--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nhello\r\n"
        "--b\r\nContent-Type: text/html\r\nContent-Transfer-Encoding: base64\r\n"
        f'Content-Disposition: attachment; filename="a\\"b.html"\r\n\r\n{encoded}\r\n--b--\r\n'
    ).encode()
    path = f"{BOX}/messages/{(await appended(marie, raw))['id']}"
    parts = (await marie.get(f"{path}/parts"))["items"]
    assert [(p["number"], p["content_type"], p["is_leaf"]) for p in parts] == [
        (0, "multipart/mixed", False),
        (1, "text/plain", True),
        (2, "text/html", True),
    ]
    assert parts[2]["filename"] == 'a"b.html'
    part = await marie.http.get(f"{path}/parts/2")
    assert part.content == b"<script>alert(1)</script>"
    assert part.headers["content-type"] == "application/octet-stream"
    assert part.headers["content-disposition"] == "attachment; filename*=UTF-8''a%22b.html"
    assert part.headers["x-content-type-options"] == "nosniff"
    assert (await marie.http.get(f"{path}/parts/3")).status_code == 404
    fields = (await marie.get(f"{path}/headers", decoded=True))["items"]
    assert fields[:2] == [{"name": "Subject", "value": "café"}, {"name": "X-One", "value": "1"}]


async def test_a_folder_is_emptied_of_what_is_old_only(marie: Store) -> None:
    await appended(marie, a_message("old"), folder="Junk", received_at="2020-01-01T00:00:00Z")
    await appended(marie, a_message("new"), folder="Junk")
    response = await marie.http.post(f"{BOX}/folders/junk/empty", params={"older_than_days": 30})
    assert response.json()["messages"] == 1
    [item] = await marie.items(folder="Junk")
    assert item["uid"] == 2
    gone = await marie.http.post(f"{BOX}/messages/delete", json={"ids": [item["id"]]})
    assert gone.json()["usage"]["used_bytes"] == 0
    assert (await marie.http.delete(f"{BOX}/messages/{item['id']}")).status_code == 404
    await exact(marie)


async def test_every_operation_is_documented(store: Store) -> None:
    paths = (await store.get("/openapi.json"))["paths"]
    assert f"{BOX.replace(MARIE, '{address}')}/messages/{{id}}/raw" in paths
    assert all(operation.get("summary") for path in paths.values() for operation in path.values())


async def test_mail_for_a_large_mailbox_is_listed_page_by_page(store: Store) -> None:
    await store.deliver(*(a_mail(a_message(f"no {n}")) for n in range(250)))
    await store.until_count(250)
    page = await store.get(f"{BOX}/messages", limit=200)
    assert [item["uid"] for item in page["items"]] == list(range(250, 50, -1))

"""From the queue to the mailbox, over the real queue, the real database and the real API."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import pytest

from libs.bus.subscribers import group_queue
from libs.envelope import Verdict
from libs.envelope.model import utc_now
from libs.envelope.queues import STORE
from libs.events import AccountChanged, AccountDeleted
from libs.mail.headers import Headers
from libs.mongo import Mongo
from tests.integration.store.building import JEAN, MARIE, Store, a_mail, a_message


async def test_a_message_is_in_the_inbox_of_each_recipient_and_reads_with_our_headers_first(store: Store) -> None:
    raw = a_message("bonjour")
    mail = a_mail(raw, MARIE, JEAN)
    await store.deliver(mail)
    for address in (MARIE, JEAN):
        [item] = await store.until_count(1, address)
        assert (item["subject"], item["from"], item["uid"]) == ("greetings", "Luc <luc@example.com>", 1)
        assert item["flags"] == []
        seen = await store.raw(address, item["id"])
        assert seen.endswith(raw)
        assert len(seen) == item["size"]
        assert Headers(seen).get("Delivered-To") == address
        assert Headers(seen).get("X-Facteur-Id") == mail.envelope.id


@pytest.mark.parametrize(
    ("action", "folder", "subject"),
    [("none", "INBOX", "greetings"), ("tag", "INBOX", "[SPAM] greetings"), ("junk", "Junk", "greetings")],
)
async def test_the_verdict_of_the_domain_picks_folder_and_subject(
    store: Store, action: str, folder: str, subject: str
) -> None:
    verdict = Verdict(spam=True, score=9, required=7.5, action=action, subject_prefix="[SPAM]")
    raw = a_message("spam", extra="X-Spam-Flag: NO\r\n")
    await store.deliver(a_mail(raw, verdicts={"example.org": verdict}))
    [item] = await store.until_count(1, folder=folder)
    seen = Headers(await store.raw(MARIE, item["id"]))
    assert item["subject"] == seen.get("Subject") == subject
    assert seen.all("X-Spam-Flag") == ["YES"]


async def test_what_a_person_released_is_neither_junk_nor_tagged(store: Store) -> None:
    verdict = Verdict(spam=True, score=9, required=7.5, action="junk", subject_prefix="[SPAM]")
    await store.deliver(a_mail(a_message(), verdicts={"example.org": verdict}, released=True))
    [item] = await store.until_count(1, folder="INBOX")
    assert item["subject"] == "greetings"


async def test_two_addresses_of_one_mailbox_get_one_copy_and_case_is_no_difference(store: Store) -> None:
    await store.deliver(a_mail(a_message(), MARIE, MARIE.upper()))
    await store.until_count(1)


async def test_a_redelivered_message_shows_once_even_after_it_was_moved_or_deleted(store: Store) -> None:
    mail, other, last = (a_mail(a_message(name)) for name in ("one", "two", "three"))
    await store.deliver(mail, mail, mail)
    [item] = await store.until_count(1)
    box = f"/v1/mailboxes/{MARIE}/messages"
    await store.http.post(f"{box}/move", json={"ids": [item["id"]], "folder": "Trash"})
    await store.deliver(mail, other)
    [second] = await store.until_count(1)
    assert (await store.http.delete(f"{box}/{item['id']}")).status_code == 204
    assert (await store.http.delete(f"{box}/{second['id']}")).status_code == 204
    await store.deliver(mail, other, last)
    [third] = await store.until_count(1)
    assert (await store.raw(MARIE, third["id"])).endswith(b"three\r\n")
    assert await store.items(folder="Trash") == []


async def test_many_messages_to_many_mailboxes_have_gapless_uids_and_exact_counters(store: Store) -> None:
    boxes = [f"user{n}@example.org" for n in range(7)]
    await store.deliver(*(a_mail(a_message(f"no {n}"), boxes[n % 7], boxes[(n + 1) % 7]) for n in range(105)))
    for box in boxes:
        items = await store.until_count(30, box)
        assert sorted(item["uid"] for item in items) == list(range(1, 31))
        usage = await store.get(f"/v1/mailboxes/{box}/usage")
        assert usage["used_bytes"] == sum(item["size"] for item in items)
        recounted = await store.get(f"/v1/mailboxes/{box}/usage", recount=True)
        assert (recounted["used_bytes"], recounted["messages"]) == (usage["used_bytes"], 30)


async def test_a_message_for_a_thousand_recipients_is_stored_once(store: Store, mongo: Mongo) -> None:
    boxes = [f"user{n}@example.org" for n in range(1000)]
    await store.deliver(a_mail(a_message(size=300_000), *boxes))
    await store.until_count(1, boxes[-1])
    await store.until_count(1, boxes[0])
    database = mongo.database("store")
    assert await database.messages.count_documents({}) == 1000
    assert await database.bodies.count_documents({}) == 1


async def test_a_message_of_19_mb_arrives_whole_and_is_read_in_pieces(store: Store, mongo: Mongo) -> None:
    raw = a_message(size=19_000_000, extra="X-Spam-Flag: NO\r\n")
    await store.deliver(a_mail(raw, MARIE, JEAN))
    for address in (MARIE, JEAN):
        [item] = await store.until_count(1, address)
        seen = await store.raw(address, item["id"])
        assert len(seen) == item["size"]
        assert seen.endswith(raw.partition(b"\r\nX-Spam-Flag: NO")[2])
        assert "X-Spam-Flag" not in Headers(seen)
    assert await mongo.database("store").bodies.count_documents({}) == 1


async def test_damaged_bytes_are_dead_letters_and_never_someone_elses_body(store: Store) -> None:
    mail = a_mail(a_message())
    damaged = mail.with_envelope(mail.envelope.model_copy(update={"sha256": "0" * 64}))
    await store.deliver(damaged)

    async def buried() -> bool:
        return bool((await store.get("/v1/dead-letters"))["items"])

    await store.until(buried)
    assert await store.items() == []


async def test_a_recipient_over_quota_waits_alone_and_gets_the_message_when_there_is_room(store: Store) -> None:
    for address, limit in ((MARIE, 0), (JEAN, 1_000_000)):
        await store.shared.bus.emit(AccountChanged(address=address, quota_bytes=limit).to_bus())
        await store.until(partial(_has_limit, store, address, limit))
    await store.deliver(a_mail(a_message(), JEAN, MARIE))
    await store.until_count(1, JEAN)

    async def waits() -> bool:
        return (await store.shared.bus.depth(STORE)).pending == 1

    await store.until(waits)
    assert await store.items(MARIE) == []
    assert (await store.get(f"/v1/mailboxes/{MARIE}/usage"))["used_bytes"] == 0
    await store.shared.bus.emit(AccountChanged(address=MARIE, quota_bytes=1_000_000).to_bus())
    await store.until_count(1, MARIE)
    assert len(await store.items(JEAN)) == 1


async def _has_limit(store: Store, address: str, limit: int) -> bool:
    response = await store.quota.get(f"/v1/usage/{address}")
    return response.status_code == 200 and response.json()["limit_bytes"] == limit


async def test_quota_hears_the_exact_usage_and_an_emptied_folder_frees_it_at_once(store: Store) -> None:
    await store.deliver(*(a_mail(a_message(f"no {n}")) for n in range(5)))
    items = await store.until_count(5)

    async def quota_says(used: int) -> bool:
        response = await store.quota.get(f"/v1/usage/{MARIE}")
        return response.status_code == 200 and response.json()["used_bytes"] == used

    await store.until(lambda: quota_says(sum(item["size"] for item in items)))
    ids = [item["id"] for item in items[:3]]
    await store.http.post(f"/v1/mailboxes/{MARIE}/messages/move", json={"ids": ids, "folder": "Trash"})
    await store.until(lambda: quota_says(sum(item["size"] for item in items)))  # Trash counts
    response = await store.http.post(f"/v1/mailboxes/{MARIE}/folders/trash/empty")
    assert response.json()["messages"] == 2
    await store.until(lambda: quota_says(sum(item["size"] for item in items[3:])))


async def test_an_account_has_its_folders_at_once_and_leaves_nothing_when_it_goes(store: Store, mongo: Mongo) -> None:
    await store.shared.bus.emit(AccountChanged(address=MARIE).to_bus())

    async def folders() -> list[str]:
        response = await store.http.get(f"/v1/mailboxes/{MARIE}/folders")
        return [folder["name"] for folder in response.json().get("items", [])]

    assert await store.until(folders) == ["INBOX", "Drafts", "Sent", "Junk", "Trash"]
    await store.deliver(*(a_mail(a_message(f"no {n}")) for n in range(20)))
    await store.until_count(20)
    await store.shared.bus.emit(AccountDeleted(address=MARIE).to_bus())

    async def gone() -> bool:
        return not await folders()

    await store.until(gone)
    database = mongo.database("store")

    async def empty() -> bool:
        names = ("messages", "mailboxes", "tombstones")
        return not sum([await database[name].count_documents({}) for name in names])

    await store.until(empty)  # the mailbox is hidden first and emptied then


async def test_a_deletion_that_is_heard_late_leaves_the_mailbox_of_the_next_account_alone(store: Store) -> None:
    emit = store.shared.bus.emit
    before = utc_now() - timedelta(days=1)
    await emit(AccountChanged(address=MARIE, made_at=before).to_bus())
    await store.deliver(a_mail(a_message(subject="of the former")))
    await store.until_count(1)
    deleted_at = utc_now()
    deleted = AccountDeleted(address=MARIE, deleted_at=deleted_at).to_bus()
    # The next account is heard of before the end of the former one, which is then told twice.
    await emit(AccountChanged(address=MARIE, made_at=deleted_at + timedelta(milliseconds=5)).to_bus())

    async def heard() -> bool:
        depth = await store.shared.bus.depth(group_queue("store.accounts"))
        return (depth.ready, depth.pending, depth.dead) == (0, 0, 0)

    await store.until(heard)
    assert await store.items() == []
    await store.deliver(a_mail(a_message(subject="of the next")))
    [item] = await store.until_count(1)
    assert item["subject"] == "of the next"
    await emit(deleted)
    await emit(deleted)
    await store.until(heard)
    assert await store.items() == [item]
    usage = await store.get(f"/v1/mailboxes/{MARIE}/usage")
    assert (usage["messages"], usage["used_bytes"]) == (1, item["size"])

    async def quota_says() -> bool:
        return bool((await store.quota.get(f"/v1/usage/{MARIE}")).json().get("messages") == 1)

    await store.until(quota_says)

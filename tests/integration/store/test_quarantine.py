"""Mail that waits for a person."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from libs.bus import Delivery
from libs.envelope import Finding, Mail, Verdict, decode
from libs.envelope.queues import QUARANTINE, ROUTER
from libs.mongo import Mongo
from libs.runtime import Shared
from services.store import app as store_app
from tests.integration.store.building import JEAN, MARIE, Store, a_mail, a_message
from tests.integration.store.conftest import running

SPAM = Verdict(spam=True, score=11.5, required=7.5, action="quarantine")
EICAR = Finding(stage="antivirus", name="clamav", outcome="infected", reason="Eicar-Test")
LUC = "luc@other.example"


def spam(*recipients: str, text: str = "spam", **given: Any) -> Mail:
    settled = {"quarantine_reason": "spam: 11.5 of 7.5", "verdicts": {"example.org": SPAM}}
    return a_mail(a_message(text), *recipients, **{**settled, **given})


async def held(store: Store, *mails: Mail, count: int | None = None) -> list[dict[str, Any]]:
    await store.shared.bus.declare(ROUTER)
    await asyncio.gather(*(store.shared.outbox.send(QUARANTINE, mail) for mail in mails))

    async def there() -> list[dict[str, Any]] | None:
        items = (await store.get("/v1/quarantine"))["items"]
        return items if len(items) == (count or len(mails)) else None

    return list(await store.until(there))


async def next_for_router(store: Store) -> Mail:
    """What the router would get."""
    arrived: asyncio.Queue[Mail] = asyncio.Queue()

    async def take(delivery: Delivery) -> None:
        await delivery.ack()
        arrived.put_nowait(decode(delivery.body))

    consumer = await store.shared.bus.consume(ROUTER, take)
    async with asyncio.timeout(20):
        mail = await arrived.get()
    await consumer.stop()
    return mail


async def test_quarantined_mail_is_listed_once_with_its_reason_and_read_as_it_came(store: Store) -> None:
    mail = spam(MARIE)
    [item] = await held(store, mail, mail, count=1)
    assert (item["reason"], item["infected"], item["score"]) == ("spam: 11.5 of 7.5", False, 11.5)
    assert (item["message_id"], item["recipients"], item["from"]) == (
        mail.envelope.id,
        [MARIE],
        "Luc <luc@example.com>",
    )
    raw = await store.http.get(f"/v1/quarantine/{item['id']}/raw")
    assert raw.content == mail.raw
    assert (await store.get(f"/v1/quarantine/{item['id']}")) == item


async def test_one_message_held_for_two_reasons_is_two_entries_with_one_body(store: Store, mongo: Mongo) -> None:
    mail = spam(MARIE)
    other = a_mail(mail.raw, JEAN, id=mail.envelope.id, quarantine_reason="policy")
    assert len(await held(store, mail, other)) == 2
    assert await mongo.database("store").bodies.count_documents({}) == 1


async def test_the_list_is_filtered_and_paged_newest_first(store: Store) -> None:
    mails = [spam(MARIE, text=f"no {n}") for n in range(3)]
    virus = spam(LUC, text="virus", findings=(EICAR,), quarantine_reason="virus: Eicar-Test")
    await held(store, *mails, virus)

    async def ids(**params: Any) -> list[str]:
        return [item["message_id"] for item in (await store.get("/v1/quarantine", **params))["items"]]

    newest_first = [mail.envelope.id for mail in reversed(mails)]
    assert await ids(domain="Example.org") == newest_first
    assert await ids(reason="EICAR") == await ids(infected=True) == [virus.envelope.id]
    assert await ids(infected=False) == newest_first
    page = await store.get("/v1/quarantine", domain="example.org", limit=2)
    assert await ids(domain="example.org", limit=2, after=page["next"]) == newest_first[2:]


async def test_released_mail_goes_behind_the_filters_and_leaves_the_quarantine(store: Store) -> None:
    mail = spam(MARIE, JEAN)
    [item] = await held(store, mail)
    response = await store.http.post(f"/v1/quarantine/{item['id']}/release")
    assert response.json() == {"id": item["id"], "recipients": [MARIE, JEAN], "whitelisted": ""}
    released = await next_for_router(store)
    assert released.raw == mail.raw
    assert released.envelope.released
    assert released.envelope.id == mail.envelope.id
    assert {verdict.action for verdict in released.envelope.verdicts.values()} == {"none"}
    assert (await store.get("/v1/quarantine"))["items"] == []
    assert (await store.http.post(f"/v1/quarantine/{item['id']}/release")).status_code == 404


async def test_a_large_message_is_released_through_the_blob_store(store: Store) -> None:
    mail = a_mail(a_message(size=6_000_000), quarantine_reason="spam")
    [item] = await held(store, mail)
    assert (await store.http.post(f"/v1/quarantine/{item['id']}/release")).status_code == 200
    released = await next_for_router(store)
    assert await store.shared.blobs.get(released.envelope.blob or "") == mail.raw


async def test_some_recipients_are_released_and_the_others_wait_on(store: Store) -> None:
    [item] = await held(store, spam(MARIE, LUC))
    path = f"/v1/quarantine/{item['id']}"
    assert (await store.http.post(f"{path}/release", json={"recipients": ["nobody@example.org"]})).status_code == 404
    assert (await store.http.post(f"{path}/release", json={"recipients": [MARIE]})).status_code == 200
    assert [r.address for r in (await next_for_router(store)).envelope.recipients] == [MARIE]
    assert (await store.get(path))["recipients"] == [LUC]
    assert (await store.get("/v1/quarantine", domain="example.org"))["items"] == []


async def test_malware_leaves_the_quarantine_only_by_force(store: Store) -> None:
    [item] = await held(store, spam(findings=(EICAR,)))
    path = f"/v1/quarantine/{item['id']}/release"
    refused = await store.http.post(path)
    assert (refused.status_code, "malware" in refused.json()["detail"]) == (409, True)
    token = {"Authorization": "Bearer antispam"}
    assert (await store.http.post(path, params={"force": True}, headers=token)).status_code == 403
    assert (await store.http.post(path, params={"force": True})).status_code == 200
    assert (await next_for_router(store)).envelope.released


async def test_deleted_mail_is_gone(store: Store) -> None:
    [item] = await held(store, spam())
    assert (await store.http.delete(f"/v1/quarantine/{item['id']}")).status_code == 204
    assert (await store.http.delete(f"/v1/quarantine/{item['id']}")).status_code == 404


async def test_mail_expires_after_its_time_and_takes_its_body_along(
    shared: Shared, port_base: int, mongo: Mongo
) -> None:
    soon = timedelta(milliseconds=1)
    given = {"quarantine_keep": soon, "cleanup_period": timedelta(milliseconds=50), "body_grace": soon}
    async with running(store_app, shared, port_base=port_base, **given):
        await shared.outbox.send(QUARANTINE, spam())
        database = mongo.database("store")
        async with asyncio.timeout(20):
            while not await database.loose.count_documents({}) and not await database.quarantine.count_documents({}):
                await asyncio.sleep(0.01)
            while await database.bodies.count_documents({}) or await database.quarantine.count_documents({}):
                await asyncio.sleep(0.02)

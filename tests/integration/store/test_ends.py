"""An account is deleted and made again while its mail waits: two replicas of store and of router, real neighbours."""

from __future__ import annotations

import email
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from types import ModuleType, SimpleNamespace
from typing import Any, cast

import httpx
import pytest

from libs.bus import Event
from libs.envelope import Envelope, Mail, Recipient
from libs.envelope.queues import QUARANTINE
from libs.events import AccountChanged, MailboxUsageChanged, MailQuarantined
from libs.runtime import Shared
from services.ingress import app as ingress_app
from services.quota import app as quota_app
from services.router import app as router_app
from services.store import app as store_app
from tests.integration.store.building import JEAN, MARIE, Store, a_mail, a_message
from tests.integration.store.conftest import running
from tests.integration.store.test_over_quota_bounce import Post, _is_empty, _reported, post
from tests.servers.facteur import free_port_base
from tests.servers.tokens import bearer

__all__ = ["post"]


def beside(module: ModuleType) -> ModuleType:
    """Another replica: its own API is elsewhere, its neighbours are the same."""

    class Beside(module.Settings):  # type: ignore[name-defined, misc]
        def port_of(self, service: str) -> int:
            return int(super().port_of(service)) + (40 if service == module.NAME else 0)

    return cast(ModuleType, SimpleNamespace(NAME=module.NAME, Settings=Beside, build=module.build))


@dataclass
class Cluster:
    store: Store
    router: httpx.AsyncClient
    other_router: httpx.AsyncClient

    async def account(self, **given: Any) -> None:
        async def made() -> bool:
            new = {"address": MARIE, "password": "passw0rd-of-marie", **given}
            answer = await self.other_router.post("/v1/accounts", json=new)
            assert answer.status_code in (201, 409, 503), answer.text
            return answer.status_code == 201  # a hash took too long, or the deletion is being told

        await self.store.until(made)

    async def limit(self) -> int | None:
        answer = await self.store.quota.get(f"/v1/usage/{MARIE}")
        return answer.json().get("limit_bytes") if answer.status_code == 200 else None


@pytest.fixture
async def cluster(shared: Shared, post: Post) -> AsyncIterator[Cluster]:
    common = {"port_base": free_port_base(), "drain_deadline": timedelta(seconds=5), "hostname": "mail.example.org"}
    async with AsyncExitStack() as stack:
        urls = []
        for module in (router_app, beside(router_app), quota_app, ingress_app, store_app, beside(store_app)):
            settings = await stack.enter_async_context(running(module, shared, **common))
            urls.append(settings.url_of(module.NAME))
        router, other, quota, _, store, _ = [
            await stack.enter_async_context(httpx.AsyncClient(base_url=url, headers=bearer(), timeout=30))
            for url in urls
        ]
        assert (await router.post("/v1/domains", json={"name": "example.org"})).is_success
        yield Cluster(Store(shared, store, quota, None), router, other)


async def test_mail_that_waited_for_a_deleted_account_returns_and_the_next_owner_sees_nothing_of_it(
    cluster: Cluster, post: Post
) -> None:
    store = cluster.store
    await cluster.account(quota_bytes=0)

    async def is_full() -> bool:
        return await cluster.limit() == 0

    await store.until(is_full)
    [former] = [
        folder for folder in (await store.get(f"/v1/mailboxes/{MARIE}/folders"))["items"] if folder["name"] == "INBOX"
    ]
    waiting = a_mail(a_message("long", subject="for the former", extra="Message-ID: <1@example.com>\r\n"))
    await store.deliver(waiting)

    async def waits() -> bool:
        depth = await store.shared.bus.depth("mail.store")
        return (
            depth.pending + depth.ready > 0
            and await store.shared.mongo.database("store").mailboxes.count_documents({}) == 1
        )

    await store.until(waits)
    held = a_mail(a_message("spam", subject="held for the former"))
    recipients = tuple(to.model_copy(update={"account": MARIE}) for to in held.envelope.recipients)
    await store.shared.outbox.send(QUARANTINE, held.with_envelope(held.envelope.to(recipients)))
    entries = store.shared.mongo.database("store").quarantine
    await store.until(lambda: entries.find_one({"recipients": MARIE}))

    assert (await cluster.router.delete(f"/v1/accounts/{MARIE}")).status_code == 204
    await cluster.account()

    async def is_new() -> bool:
        answer = await store.http.get(f"/v1/mailboxes/{MARIE}/folders")
        inbox = next((each for each in answer.json().get("items", []) if each["name"] == "INBOX"), former)
        return bool(inbox["uidvalidity"] > former["uidvalidity"])

    await store.until(is_new)
    await store.until(lambda: _is_empty(store))
    [report] = post.sent
    [recipient] = _reported(email.message_from_bytes(report.raw))
    assert (recipient["Final-Recipient"], recipient["Status"]) == (f"rfc822; {MARIE}", "5.1.1")
    assert await store.items(MARIE) == []
    assert await entries.find_one({"recipients": MARIE}) is None
    assert (await cluster.limit()) != 0

    # What is told late changes nothing, and mail for the next owner comes.
    old = Envelope.model_validate(waiting.envelope).received_at - timedelta(days=1)
    late = (
        AccountChanged(address=MARIE, made_at=old, quota_bytes=0),
        MailboxUsageChanged(address=MARIE, used_bytes=10**9, messages=7, version=1, made_at=old),
    )
    for fact in late:
        await store.shared.bus.emit(fact.to_bus())
    await store.deliver(a_mail(a_message(subject="for the next")))
    [item] = await store.until_count(1, MARIE)
    assert item["subject"] == "for the next"

    async def usage_is_its_own() -> bool:
        usage = (await store.quota.get(f"/v1/usage/{MARIE}")).json()
        return bool(usage.get("messages") == 1 and usage["used_bytes"] == item["size"] and usage["limit_bytes"] > 0)

    await store.until(usage_is_its_own)


async def test_a_deleted_account_stays_deleted(cluster: Cluster) -> None:
    store = cluster.store
    await cluster.account()

    async def has_mailbox() -> bool:
        return (await store.http.get(f"/v1/mailboxes/{MARIE}/folders")).status_code == 200

    await store.until(has_mailbox)
    mail = a_mail(a_message(subject="a cached route"), mail_from="")
    assert (await cluster.router.delete(f"/v1/accounts/{MARIE}")).status_code == 204

    async def is_gone() -> bool:
        return not await has_mailbox()

    await store.until(is_gone)
    later = mail.envelope.received_at + timedelta(hours=1)
    await store.deliver(mail, a_mail(a_message(subject="later"), mail_from="", received_at=later))
    await store.until(lambda: _is_empty(store))
    assert not await has_mailbox()
    letters = (await store.get("/v1/dead-letters"))["items"]
    assert len(letters) == 2
    assert all("former account: 1" in letter["reason"] for letter in letters)
    assert (await store.quota.get(f"/v1/usage/{MARIE}")).status_code == 404


async def test_what_was_taken_for_a_former_account_and_is_held_late_waits_for_the_others_alone(
    cluster: Cluster,
) -> None:
    store = cluster.store
    await cluster.account()
    before = [a_mail(a_message("spam", subject=subject)) for subject in ("for her alone", "for both")]
    alone, both = (held_for(mail, *to) for mail, to in zip(before, ((MARIE,), (MARIE, JEAN)), strict=True))
    assert (await cluster.router.delete(f"/v1/accounts/{MARIE}")).status_code == 204
    departed = store.shared.mongo.database("store").departed
    await store.until(lambda: departed.find_one({"_id": MARIE}))
    await cluster.account()
    after = held_for(a_mail(a_message("spam", subject="for the next")), MARIE)
    heard: list[MailQuarantined] = []

    async def hear(event: Event) -> None:
        heard.append(MailQuarantined.from_bus(event))

    await store.shared.bus.subscribe(["MailQuarantined"], hear, group="test")
    for mail in (alone, both, after):
        await store.shared.outbox.send(QUARANTINE, mail)

    async def subjects(address: str) -> list[str]:
        answer = await store.get("/v1/quarantine", account=address)
        return [item["subject"] for item in answer["items"]]

    async def is_held() -> bool:
        depth = await store.shared.bus.depth(QUARANTINE)
        return depth.pending + depth.ready == 0 and await subjects(JEAN) == ["for both"]

    await store.until(is_held)
    assert await subjects(MARIE) == ["for the next"]
    [entry] = (await store.get("/v1/quarantine", account=JEAN))["items"]
    assert entry["recipients"] == [JEAN]

    async def is_told() -> bool:
        return len(heard) == 2

    await store.until(is_told)
    assert {fact.id: fact.accounts for fact in heard} == {both.envelope.id: [JEAN], after.envelope.id: [MARIE]}


def held_for(mail: Mail, *addresses: str) -> Mail:
    recipients = tuple(
        Recipient(address=address, original=address, account=address, domain="example.org") for address in addresses
    )
    return mail.with_envelope(mail.envelope.to(recipients))

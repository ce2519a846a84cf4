"""Who asked to hear of a delivery hears of it once, through a real ingress."""

from __future__ import annotations

import email
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from email.message import Message
from typing import Any

import httpx
import pytest

from libs.bus import Delivery
from libs.envelope import Mail, Recipient, decode
from libs.envelope.queues import ANTIVIRUS
from libs.runtime import Shared
from services.ingress import app as ingress_app
from services.quota import app as quota_app
from services.router import app as router_app
from services.store import app as store_app
from tests.integration.store.building import JEAN, MARIE, Store, a_mail, a_message
from tests.integration.store.conftest import running
from tests.servers.facteur import free_port_base
from tests.servers.tokens import bearer

RAW = a_message("body that does not go back", subject="asked", extra="Message-ID: <1@example.com>\r\n")


@pytest.fixture
async def sent(shared: Shared) -> list[Mail]:
    """What came out of ingress for the sender."""
    sent: list[Mail] = []

    async def take(delivery: Delivery) -> None:
        sent.append(decode(delivery.body))
        await delivery.ack()

    await shared.bus.declare(ANTIVIRUS)
    await shared.bus.consume(ANTIVIRUS, take)
    return sent


@pytest.fixture
async def world(shared: Shared, sent: list[Mail]) -> AsyncIterator[tuple[Store, Callable[[], Any]]]:
    """A store without ingress, and what starts ingress."""
    common = {"port_base": free_port_base(), "drain_deadline": timedelta(seconds=5), "hostname": "mail.example.org"}
    async with AsyncExitStack() as stack:
        for module in (router_app, quota_app):
            await stack.enter_async_context(running(module, shared, **common))
        settings = await stack.enter_async_context(
            running(store_app, shared, notice_period=timedelta(milliseconds=100), **common)
        )
        store, quota = [
            await stack.enter_async_context(
                httpx.AsyncClient(base_url=settings.url_of(name), headers=bearer(), timeout=30)
            )
            for name in ("store", "quota")
        ]

        async def ingress() -> None:
            await stack.enter_async_context(running(ingress_app, shared, **common))

        yield Store(shared, store, quota, settings), ingress


def asked(*addresses: str, notify: tuple[str, ...] = ("SUCCESS",), **given: Any) -> Mail:
    recipients = tuple(
        Recipient(address=a, original=a, domain="example.org", notify=notify, orcpt=f"rfc822;{a}") for a in addresses
    )
    return a_mail(RAW, recipients=recipients, envid="Q 1", ret="FULL", **given)


def groups(message: Message) -> list[Message]:
    [status] = [part for part in message.walk() if part.get_content_type() == "message/delivery-status"]
    return [part for part in status.get_payload() if isinstance(part, Message)]


async def outcome(store: Store, name: str) -> float:
    page = (await store.http.get("/metrics")).text
    label = f'facteur_store_delivery_receipts_total{{outcome="{name}"}}'
    return next((float(line.rpartition(" ")[2]) for line in page.splitlines() if line.startswith(label)), 0.0)


async def test_one_report_tells_of_all_who_got_it_and_a_redelivery_tells_nothing_more(
    world: tuple[Store, Callable[[], Any]], sent: list[Mail]
) -> None:
    store, ingress = world
    await ingress()
    mail = asked(MARIE, JEAN)
    await store.deliver(mail, mail)
    await store.until_count(1, JEAN)
    await store.until(lambda: told(store, 1))
    await store.deliver(mail)  # a whole redelivery, and one of a part
    await store.deliver(mail.with_envelope(mail.envelope.to(mail.envelope.recipients[:1])))
    other = asked(MARIE, id="0" * 31 + "1")
    await store.deliver(other)
    await store.until(lambda: told(store, 2))
    await store.until(lambda: ended(store, "already_sent", 1))
    assert [mail.envelope.mail_from for mail in sent] == ["", ""]
    message = email.message_from_bytes(sent[0].raw)
    about, *recipients = groups(message)
    assert about["Original-Envelope-Id"] == "Q 1"
    assert sorted(r["Final-Recipient"] for r in recipients) == [f"rfc822; {JEAN}", f"rfc822; {MARIE}"]
    assert {(r["Action"], r["Status"]) for r in recipients} == {("delivered", "2.0.0")}
    assert {r["Original-Recipient"] for r in recipients} == {f"rfc822; {a}" for a in (JEAN, MARIE)}
    assert b"body that does not go back" not in sent[0].raw
    assert b"Subject: asked" in sent[0].raw
    assert len(await store.items(MARIE)) == 2


async def test_what_cannot_be_handed_in_is_tried_again_and_delays_no_delivery(
    world: tuple[Store, Callable[[], Any]], sent: list[Mail]
) -> None:
    store, ingress = world
    await store.deliver(asked(MARIE))
    await store.until_count(1, MARIE)
    await store.until(lambda: ended(store, "deferred", 1))
    assert sent == []
    await ingress()
    await store.until(lambda: told(store, 1), seconds=60)
    assert [mail.envelope.recipients[0].address for mail in sent] == ["luc@example.com"]


async def test_nobody_hears_who_did_not_ask(world: tuple[Store, Callable[[], Any]], sent: list[Mail]) -> None:
    store, ingress = world
    await ingress()
    quiet = [("FAILURE",), ("NEVER",), ("DELAY",), ()]
    await store.deliver(*(asked(MARIE, notify=notify) for notify in quiet), asked(MARIE, mail_from=""))
    await store.until_count(5, MARIE)
    await store.deliver(asked(JEAN))
    await store.until(lambda: told(store, 1))
    assert len(sent) == 1


async def told(store: Store, count: int) -> bool:
    return await ended(store, "sent", count)


async def ended(store: Store, name: str, count: int) -> bool:
    return await outcome(store, name) >= count

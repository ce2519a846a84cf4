"""Mail that waits for its mailbox in vain goes back to its sender, through a real ingress, or to a person."""

from __future__ import annotations

import email
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from email.message import Message

import httpx
import pytest

from libs.bus import Delivery
from libs.envelope import Mail, Verdict, decode
from libs.envelope.queues import ANTIVIRUS, STORE
from libs.events import AccountChanged
from libs.runtime import Shared
from services.ingress import app as ingress_app
from services.quota import app as quota_app
from services.router import app as router_app
from services.store import app as store_app
from tests.integration.store.building import JEAN, MARIE, Store, a_mail, a_message
from tests.integration.store.conftest import running
from tests.servers.facteur import free_port_base
from tests.servers.tokens import bearer

SPAM = {"example.org": Verdict(spam=True, score=9, required=7.5, action="junk")}


@dataclass
class Post:
    """The notifications that came out of ingress; quota may have warned Marie as well."""

    sent: list[Mail]

    async def take(self, delivery: Delivery) -> None:
        mail = decode(delivery.body)
        if mail.envelope.recipients[0].address == "luc@example.com":
            self.sent.append(mail)
        await delivery.ack()


@pytest.fixture
async def post(shared: Shared) -> Post:
    post = Post([])
    await shared.bus.declare(ANTIVIRUS)
    await shared.bus.consume(ANTIVIRUS, post.take)
    return post


@pytest.fixture
async def hasty(shared: Shared, post: Post) -> AsyncIterator[Store]:
    """A store that gives up at the second try, among real neighbours; Marie's mailbox has no room."""
    common = {"port_base": free_port_base(), "drain_deadline": timedelta(seconds=5), "hostname": "mail.example.org"}
    async with AsyncExitStack() as stack:
        for module in (router_app, quota_app, ingress_app):
            given = await stack.enter_async_context(running(module, shared, **common))
        settings = await stack.enter_async_context(
            running(store_app, shared, give_up_after=timedelta(milliseconds=1), **common)
        )
        token = bearer()
        store, quota = [
            await stack.enter_async_context(httpx.AsyncClient(base_url=given.url_of(name), headers=token, timeout=30))
            for name in ("store", "quota")
        ]
        await shared.bus.emit(AccountChanged(address=MARIE, quota_bytes=0).to_bus())
        running_store = Store(shared, store, quota, settings)

        async def has_limit() -> bool:
            return bool((await quota.get(f"/v1/usage/{MARIE}")).json().get("limit_bytes") == 0)

        await running_store.until(has_limit)
        yield running_store


async def test_the_sender_hears_once_that_a_mailbox_was_full_and_a_person_finds_what_nobody_must_hear_of(
    hasty: Store, post: Post
) -> None:
    raw = a_message("long", subject="for both", extra="Message-ID: <1@example.com>\r\n")
    unpublished = [a_mail(raw, MARIE, mail_from=""), a_mail(raw, MARIE, verdicts=SPAM)]
    await hasty.deliver(a_mail(raw, JEAN, MARIE), *unpublished)
    await hasty.until_count(1, JEAN)
    await hasty.until(lambda: _is_empty(hasty))
    [report] = post.sent
    assert [recipient.address for recipient in report.envelope.recipients] == ["luc@example.com"]
    message = email.message_from_bytes(report.raw)
    assert message.get_content_type() == "multipart/report"
    assert message["In-Reply-To"] == "<1@example.com>"
    [recipient] = _reported(message)
    assert (recipient["Final-Recipient"], recipient["Status"]) == (f"rfc822; {MARIE}", "5.2.2")
    letters = (await hasty.get("/v1/dead-letters"))["items"]
    assert {letter["envelope"]["id"] for letter in letters} == {mail.envelope.id for mail in unpublished}
    assert all("the sender is not told: mailboxes over quota: 1" in letter["reason"] for letter in letters)
    assert await hasty.items(MARIE) == []


async def _is_empty(store: Store) -> bool:
    depth = await store.shared.bus.depth(STORE)
    return (depth.ready, depth.pending) == (0, 0)


def _reported(message: Message) -> list[Message]:
    """The groups of recipients of the status part (RFC 3464 2.1)."""
    [status] = [part for part in message.walk() if part.get_content_type() == "message/delivery-status"]
    groups = status.get_payload()
    assert isinstance(groups, list)
    return [group for group in groups if isinstance(group, Message) and group["Final-Recipient"]]

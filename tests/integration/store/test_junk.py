"""Junk is emptied by age where the domain sets a retention in a real router."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from datetime import datetime, timedelta
from typing import cast

import httpx
import pytest

from libs.envelope import Verdict
from libs.envelope.model import utc_now
from libs.http import Client
from libs.mongo import Mongo
from libs.neighbours import RouterClient
from libs.runtime import Shared
from services.router import app as router_app
from services.store.mailboxes.cleanup import Work
from services.store.mailboxes.junk_expiry import junk_expiry
from services.store.mailboxes.messages import MailboxUsage
from services.store.mailboxes.mongo_expunge import MongoJunkFolders
from services.store.mailboxes.schema import Collections
from services.store.mailboxes.usage_publisher import UsagePublisher
from tests.integration.store.building import JEAN, MARIE, a_mail, a_message
from tests.integration.store.conftest import running
from tests.integration.store.replica import MailboxReplica
from tests.servers.facteur import free_port_base
from tests.servers.tokens import bearer

KEPT = "luc@kept.example"


class RecordedUsage:
    """The usage that the neighbours hear of."""

    def __init__(self) -> None:
        self.usages: dict[str, MailboxUsage] = {}

    def enqueue(self, usages: Iterable[MailboxUsage]) -> None:
        self.usages |= {usage.address: usage for usage in usages}


class Clock:
    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return utc_now() + self.ahead


@pytest.fixture
async def replica(mongo: Mongo) -> MailboxReplica:
    replica = MailboxReplica(mongo)
    await replica.collections.prepare()
    return replica


@pytest.fixture
async def router(shared: Shared) -> AsyncIterator[Client]:
    """As store asks it: `example.org` and two hundred others empty Junk after 30 days, `kept.example` never."""
    async with running(router_app, shared, port_base=free_port_base()) as settings:
        token = bearer()
        async with httpx.AsyncClient(base_url=settings.url_of("router"), headers=token, timeout=30) as http:
            for body in ({"name": "kept.example"}, {"name": "example.org", "junk_keep_days": 30}):
                assert (await http.post("/v1/domains", json=body)).status_code == 201
        domains = shared.mongo.database("router").domains
        one = await domains.find_one({"_id": "example.org"})
        await domains.insert_many([{**one, "_id": f"a{number}.example"} for number in range(200)])
        client = Client(settings.url_of("router"), token=lambda: "store", deadline=timedelta(seconds=30))
        yield client
        await client.close()


async def test_what_has_been_in_junk_for_too_long_goes_and_frees_its_room(
    replica: MailboxReplica, router: Client
) -> None:
    told, clock = RecordedUsage(), Clock()
    folders = MongoJunkFolders(replica.collections, replica.expunge)
    work: Work = junk_expiry(RouterClient(router), folders, cast(UsagePublisher, told), clock=clock)
    junk = {name: Verdict(spam=True, score=9, required=7, action="junk") for name in ("example.org", "kept.example")}
    await asyncio.gather(*(replica.deliver(a_mail(a_message(f"{n}"), MARIE, KEPT, verdicts=junk)) for n in range(20)))
    await replica.deliver(a_mail(a_message("wanted"), MARIE, JEAN))
    clock.ahead = timedelta(days=29)
    assert await work() == 0
    clock.ahead = timedelta(days=31)
    assert await work() == 20
    [left] = await replica.all_of(MARIE)
    assert told.usages.keys() == {MARIE}
    assert (told.usages[MARIE].messages, told.usages[MARIE].used_bytes) == (1, left.size)
    assert len(await replica.all_of(KEPT)) == 20
    assert await replica.drift(MARIE) == await replica.drift(KEPT) == {}


async def test_an_old_message_that_was_moved_into_junk_today_stays_there_for_its_days(replica: MailboxReplica) -> None:
    folders = MongoJunkFolders(replica.collections, replica.expunge)
    await replica.deliver(a_mail(a_message("old")))
    before_the_move = utc_now() + timedelta(milliseconds=2)
    while utc_now() < before_the_move:
        await asyncio.sleep(0)
    [message] = await replica.all_of(MARIE)
    await replica.changes.move(MARIE, [message.id], "junk")
    assert [changed async for changed in folders.expunge_before(MARIE, before_the_move)] == []
    [changed] = [changed async for changed in folders.expunge_before(MARIE, utc_now() + timedelta(seconds=1))]
    assert [gone.id for gone in changed.messages] == [message.id]


async def test_a_mailbox_of_before_there_were_domains_has_its_own_after_a_start(
    mongo: Mongo, replica: MailboxReplica
) -> None:
    await replica.mailboxes.ensure([MARIE])
    mailboxes = mongo.database("store").mailboxes
    await mailboxes.update_many({}, {"$unset": {"domain": ""}})
    await Collections.of(mongo.database("store")).prepare()
    assert [found["domain"] async for found in mailboxes.find({})] == ["example.org"]

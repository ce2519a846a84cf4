"""Races, crashes and failures of the database: nothing lost, nothing twice, every counter exact."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from datetime import timedelta

import pytest
from pymongo import AsyncMongoClient
from pymongo.errors import AutoReconnect

from libs.envelope import Verdict
from libs.mongo import Mongo
from libs.runtime.periodic import PeriodicRunner
from libs.telemetry import Metrics
from services.store.mailboxes.delivery import build_delivery
from services.store.mailboxes.flags import FlagChange
from services.store.mailboxes.messages import Body, MailboxDelivery
from services.store.mailboxes.mongo_bodies import MongoBodies
from services.store.mailboxes.mongo_mailboxes import MongoPublishedUsage
from services.store.mailboxes.refusals import Refusal
from services.store.mailboxes.schema import Collections
from services.store.mailboxes.usage_publisher import UsagePublisher
from tests.integration.store.building import JEAN, MARIE, Store, a_mail, a_message
from tests.integration.store.replica import MailboxReplica


@pytest.fixture
async def replicas(mongo: Mongo, mongo_url: str) -> AsyncIterator[list[MailboxReplica]]:
    """Two store processes on one database."""
    other = Mongo(mongo_url, prefix=mongo._prefix)
    made = [MailboxReplica(mongo), MailboxReplica(other)]
    await made[0].collections.prepare()
    yield made
    await other.close()


async def test_two_replicas_give_unique_uids_that_become_visible_in_their_order(replicas: list[MailboxReplica]) -> None:
    one, two = replicas
    mails = [a_mail(a_message(f"no {n}")) for n in range(200)]
    done = asyncio.Event()
    seen: list[list[int]] = []

    async def watch() -> None:
        while not done.is_set():
            # Newest first: whatever is below the first that is seen was there before it.
            page = await one.messages.page(MARIE, "inbox", after=None, limit=500, newest_first=True)
            seen.append([message.uid for message in page])

    watching = asyncio.create_task(watch())
    # Every message goes to both, as when a consumer is thought dead and is not.
    await asyncio.gather(*(replica.deliver(mail) for mail in mails for replica in replicas))
    done.set()
    await watching
    stored = await two.all_of(MARIE)
    assert [message.uid for message in stored] == list(range(1, 201))
    assert sorted({message.modseq for message in stored}) == [message.modseq for message in stored]
    assert all(uids == list(range(len(uids), 0, -1)) for uids in seen)
    assert await one.drift(MARIE) == {}


async def test_a_message_that_cannot_be_written_fails_alone(replicas: list[MailboxReplica]) -> None:
    replica = replicas[0]
    good = [a_mail(a_message(f"no {n}")) for n in range(10)]
    body = Body.of(a_message("poison"))
    [copy] = build_delivery(a_mail(body.raw).envelope, body, limits={MARIE: None}, hostname="h").copies
    poison = MailboxDelivery(body, (replace(copy, summary=replace(copy.summary, subject="\ud800")),))
    results = await asyncio.gather(
        *map(replica.deliver, good[:5]), replica.deliveries.deliver(poison), *map(replica.deliver, good[5:]),
        return_exceptions=True,
    )  # fmt: skip
    assert [type(result).__name__ for result in results if isinstance(result, Exception)] == ["UnicodeEncodeError"]
    assert len(await replica.all_of(MARIE)) == 10
    assert await replica.drift(MARIE) == {}


async def test_over_quota_copies_leave_the_others_gapless_and_the_counters_exact(
    replicas: list[MailboxReplica],
) -> None:
    replica = replicas[0]
    mails = [a_mail(a_message(f"no {n:03}"), MARIE, JEAN) for n in range(20)]
    size = (await replica.deliver(mails[0])).usages[0].used_bytes
    limits = {MARIE: size * 5 - 50, JEAN: None}  # the fifth goes over it, and is the last
    outcomes = await asyncio.gather(*(replica.deliver(mail, limits=limits) for mail in mails))
    assert sum(MARIE in outcome.over_quota for outcome in outcomes) == 15
    assert [message.uid for message in await replica.all_of(MARIE)] == [1, 2, 3, 4, 5]
    assert len(await replica.all_of(JEAN)) == 20
    assert await replica.drift(MARIE) == await replica.drift(JEAN) == {}


async def test_the_collector_never_takes_a_body_that_a_delivery_is_about_to_use(replicas: list[MailboxReplica]) -> None:
    """The same message comes, goes and comes again, while a collector without grace runs all the time."""
    one, two = replicas
    raw = a_message("again and again")
    done, all_gone = asyncio.Event(), asyncio.Barrier(3)
    collected = 0

    async def collect() -> None:
        nonlocal collected
        while not done.is_set():
            collected += await two.collector.collect()

    async def come_and_go(mailbox: str) -> None:
        for number in range(30):
            await one.deliver(a_mail(raw, mailbox))
            [message] = await one.all_of(mailbox)
            assert await one.bodies.raw(message.body) == raw
            await one.expunge.messages(mailbox, [message.id])
            if number % 10 == 9:  # else some mailbox might have it at any time
                await all_gone.wait()
                await collected_all()

    async def collected_all() -> None:
        async with asyncio.timeout(30):
            while await one.collections.bodies.count_documents({}):
                await asyncio.sleep(0.01)

    collecting = asyncio.create_task(collect())
    await asyncio.gather(*(come_and_go(f"user{n}@example.org") for n in range(3)))
    done.set()
    await collecting
    assert collected > 0
    await two.collector.collect()
    assert await one.collections.bodies.count_documents({}) == 0
    assert await one.collections.loose.count_documents({}) == 0


async def test_a_large_body_that_was_collected_before_its_message_is_written_again(
    mongo: Mongo, replicas: list[MailboxReplica]
) -> None:
    collector = replicas[1].collector
    rounds: list[int] = []

    class Collected(MongoBodies):
        """The slowest delivery: a whole grace period passes between its body and its message, once."""

        async def write_large(self, bodies: Iterable[Body]) -> None:
            await super().write_large(bodies)
            if len(rounds) < 1:
                rounds.append(await collector.collect())

    replica = MailboxReplica(mongo, bodies=Collected)
    mail = a_mail(a_message(size=5_000_000))
    await replica.deliver(mail)
    assert rounds == [1]
    [message] = await replica.all_of(MARIE)
    assert await replica.bodies.raw(message.body) == mail.raw
    assert await collector.collect() == 0
    assert await replica.bodies.raw(message.body) == mail.raw


async def test_a_large_body_whose_delivery_died_is_collected_with_its_chunks(replicas: list[MailboxReplica]) -> None:
    replica = replicas[0]
    await replica.bodies.write_large([Body.of(a_message(size=9_000_000))])
    assert await replica.collections.chunks.count_documents({}) == 3
    assert await replica.collector.collect() == 1
    assert await replica.collections.chunks.count_documents({}) == 0


@pytest.mark.parametrize("seed", range(3))
async def test_any_mix_of_concurrent_changes_leaves_every_counter_exact(
    replicas: list[MailboxReplica], seed: int
) -> None:
    chance = random.Random(seed)
    await replicas[0].mailboxes.ensure([MARIE])
    boxes = ["inbox", "junk", "trash", (await replicas[0].mailboxes.create_folder(MARIE, "Work")).id]
    bodies = [a_message(f"text {n}") for n in range(5)]
    junk = Verdict(spam=True, score=9, required=7, action="junk")

    async def step(replica: MailboxReplica) -> None:
        known = [message.id for message in await replica.all_of(MARIE)]
        some = chance.sample(known, min(len(known), chance.randint(1, 4)))
        match chance.choice(["deliver", "deliver", "junk", "flag", "flag", "move", "copy", "expunge", "empty"]):
            case "deliver":
                await replica.deliver(a_mail(chance.choice(bodies), MARIE, JEAN))
            case "junk":
                await replica.deliver(a_mail(chance.choice(bodies), MARIE, verdicts={"example.org": junk}))
            case "flag":
                flags = chance.sample(["\\Seen", "\\Flagged", "work"], 2)
                await replica.changes.flag(MARIE, some, FlagChange.of(add=flags[:1], remove=flags[1:]))
            case "move":
                await replica.changes.move(MARIE, some, chance.choice(boxes))
            case "copy":
                await replica.changes.copy(MARIE, some, chance.choice(boxes), limit=None)
            case "expunge":
                await replica.expunge.messages(MARIE, some)
            case "empty":
                await replica.expunge.folder(MARIE, "trash", last_uid=1000)

    async def work(replica: MailboxReplica) -> None:
        for _ in range(25):
            with contextlib.suppress(Refusal):  # its messages went while it chose
                await step(replica)

    await asyncio.gather(*(work(replica) for replica in replicas for _ in range(3)))
    for mailbox in (MARIE, JEAN):
        assert await replicas[0].drift(mailbox) == {}
    folders = await replicas[0].mailboxes.folders(MARIE)
    for message in await replicas[0].all_of(MARIE):
        assert message.uid <= folders[message.folder].last_uid
        assert message.modseq <= folders[message.folder].modseq
        assert await replicas[0].bodies.raw(message.body) in bodies


async def test_a_list_reads_no_more_than_its_page(replicas: list[MailboxReplica]) -> None:
    """A folder of any size is listed in pages."""
    replica = replicas[0]
    await asyncio.gather(*(replica.deliver(a_mail(a_message(f"no {n}"))) for n in range(120)))
    wanted = {"mailbox": MARIE, "folder": "inbox", "uid": {"$lt": 100}}
    plan = await replica.collections.messages.find(wanted).sort("uid", -1).limit(20).explain()
    assert plan["executionStats"]["totalDocsExamined"] == 20
    assert plan["executionStats"]["totalKeysExamined"] == 20


async def test_a_primary_that_steps_down_delays_deliveries_and_loses_none(store: Store, mongo_url: str) -> None:
    mails = [a_mail(a_message(f"no {n}"), MARIE, JEAN) for n in range(150)]
    sending = asyncio.create_task(store.deliver(*mails))
    client: AsyncMongoClient[dict[str, object]] = AsyncMongoClient(mongo_url)

    async def some() -> bool:
        return len(await store.items()) > 5

    await store.until(some)
    with contextlib.suppress(AutoReconnect):  # it may close our own connection
        await client.admin.command({"replSetStepDown": 2, "secondaryCatchUpPeriodSecs": 1, "force": True})
    await sending
    for address in (MARIE, JEAN):
        items = await store.until_count(150, address)
        assert sorted(item["uid"] for item in items) == list(range(1, 151))
        usage = await store.get(f"/v1/mailboxes/{address}/usage")
        recounted = await store.get(f"/v1/mailboxes/{address}/usage", recount=True)
        assert recounted["used_bytes"] == usage["used_bytes"] == sum(item["size"] for item in items)
    await client.close()


async def test_usage_that_a_crash_left_untold_is_told_at_the_next_start(mongo: Mongo, store: Store) -> None:
    """Fault 7: killed after the commit, before the event."""
    outcome = await MailboxReplica(mongo).deliver(a_mail(a_message(), "crashed@example.org"))
    memory = MongoPublishedUsage(Collections.of(mongo.database("store")))
    restarted = UsagePublisher(store.shared.bus, memory, window=timedelta(0), recheck=timedelta(hours=1))

    async def quota_knows() -> bool:
        response = await store.quota.get("/v1/usage/crashed@example.org")
        return response.status_code == 200 and response.json()["used_bytes"] == outcome.usages[0].used_bytes

    tasks = [asyncio.create_task(PeriodicRunner(row, Metrics()).run()) for row in restarted.background]
    await store.until(quota_knows)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert [usage async for usage in memory.unpublished()] == []

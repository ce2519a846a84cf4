"""Accounts end and begin again: nobody sees what was for the one before, nobody loses what is for oneself."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import pytest

from libs.envelope import Mail
from libs.envelope.model import utc_now
from libs.mongo import Mongo
from tests.integration.store.building import JEAN, MARIE, a_mail, a_message
from tests.integration.store.replica import MailboxReplica

NOW = utc_now().replace(microsecond=0)
FIRST, END, SECOND = NOW - timedelta(hours=3), NOW - timedelta(hours=2), NOW - timedelta(hours=1)


@pytest.fixture
async def replicas(mongo: Mongo, mongo_url: str) -> AsyncIterator[list[MailboxReplica]]:
    """Two store processes on one database; both hear the same router."""
    other = Mongo(mongo_url, prefix=mongo._prefix)
    made = [MailboxReplica(mongo), MailboxReplica(other)]
    made[1].directory.known = made[0].directory.known
    await made[0].collections.prepare()
    yield made
    await other.close()


async def subjects(replica: MailboxReplica, mailbox: str = MARIE) -> list[str]:
    return sorted(message.summary.subject for message in await replica.all_of(mailbox))


def taken_at(moment: datetime, subject: str, *to: str) -> Mail:
    return a_mail(a_message(subject=subject), *(to or (MARIE,)), received_at=moment)


@pytest.mark.parametrize("order", list(itertools.permutations(["first", "end", "second"])))
async def test_in_whatever_order_and_however_often_it_is_told_the_next_account_begins_empty(
    replicas: list[MailboxReplica], order: tuple[str, ...]
) -> None:
    one, two = replicas
    await one.account_deletion.assign(MARIE, made_at=FIRST)
    await one.deliver(taken_at(FIRST + timedelta(minutes=1), "of the former"))
    await one.mailboxes.create_folder(MARIE, "Private")
    before = (await one.mailboxes.folders(MARIE))["inbox"].uidvalidity
    one.directory.known[MARIE] = SECOND

    async def tell(replica: MailboxReplica, what: str) -> None:
        match what:
            case "first":
                await replica.account_deletion.assign(MARIE, made_at=FIRST)
            case "second":
                await replica.account_deletion.assign(MARIE, made_at=SECOND)
            case _:
                await replica.account_deletion.delete_account(MARIE, END)

    for what in order:
        await asyncio.gather(tell(one, what), tell(two, what))
    folders = await two.mailboxes.folders(MARIE)
    assert await subjects(two) == []
    assert "Private" not in [folder.name for folder in folders.values()]
    assert folders["inbox"].uidvalidity > before
    assert await two.drift(MARIE) == {}
    outcome = await two.deliver(taken_at(SECOND + timedelta(minutes=1), "of the next"))
    assert outcome.missed == frozenset()
    for what in order:
        await asyncio.gather(tell(one, what), tell(two, what))
    assert await subjects(one) == ["of the next"]
    assert await one.drift(MARIE) == {}


async def test_what_comes_for_the_next_account_while_thousands_of_messages_are_removed_stays(
    replicas: list[MailboxReplica],
) -> None:
    one, two = replicas
    await one.account_deletion.assign(MARIE, made_at=FIRST)
    await one.deliver(taken_at(FIRST, "seed"))
    [seed] = await one.all_of(MARIE)
    ids = [seed.id]
    while len(ids) < 6000:
        changed = await one.changes.copy(MARIE, ids[:1000], "inbox", limit=None)
        ids += [message.id for message in changed.messages]
    one.directory.known[MARIE] = SECOND

    async def deliver(replica: MailboxReplica, number: int) -> None:
        mail = taken_at(SECOND + timedelta(seconds=number), f"new {number:02}")
        while (outcome := await replica.deliver(mail)).unknown:  # as its queue does
            await asyncio.sleep(0.01)
        assert outcome.gone == frozenset()

    await asyncio.gather(
        one.account_deletion.delete_account(MARIE, END),
        two.account_deletion.delete_account(MARIE, END),
        two.account_deletion.assign(MARIE, made_at=SECOND),
        *(deliver(replicas[number % 2], number) for number in range(20)),
    )
    assert await subjects(one) == [f"new {number:02}" for number in range(20)]
    assert await one.drift(MARIE) == {}


async def test_mail_that_waited_for_a_deleted_account_brings_no_mailbox_back(replicas: list[MailboxReplica]) -> None:
    one, two = replicas
    await one.account_deletion.assign(MARIE, made_at=FIRST)
    await one.account_deletion.delete_account(MARIE, END)
    outcome = await two.deliver(taken_at(END - timedelta(days=1), "waited", MARIE, JEAN))
    assert (set(outcome.gone), set(outcome.unknown)) == ({MARIE}, set())
    assert await subjects(two, JEAN) == ["waited"]
    await two.account_deletion.assign(MARIE, made_at=FIRST)  # told late
    assert await one.collections.mailboxes.find_one({"_id": MARIE}) is None
    # Taken by a cached route after the end: the router says that there is nobody.
    outcome = await two.deliver(taken_at(END + timedelta(minutes=1), "by a cached route"))
    assert outcome.gone == {MARIE}
    assert await one.collections.mailboxes.find_one({"_id": MARIE}) is None
    # The next account: what was taken before it is for nobody, what comes then is its own, also before it was told.
    one.directory.known[MARIE] = SECOND
    assert (await one.deliver(taken_at(SECOND + timedelta(minutes=1), "own"))).missed == frozenset()
    for moment in (END - timedelta(days=1), SECOND - timedelta(seconds=1)):
        assert (await two.deliver(taken_at(moment, "late"))).gone == {MARIE}
    assert await subjects(one) == ["own"]
    assert await one.drift(MARIE) == {}


async def test_what_a_crash_left_half_empty_is_emptied(replicas: list[MailboxReplica]) -> None:
    one, two = replicas
    await one.account_deletion.assign(MARIE, made_at=FIRST)
    await one.deliver(taken_at(FIRST, "of the former"))
    await one.account_deletion._write_tombstone(MARIE, END)
    assert await one.account_deletion._mark(MARIE, END)
    assert await two.account_deletion.resume() == 1
    assert await one.collections.mailboxes.find_one({"_id": MARIE}) is None
    assert await one.collections.messages.find_one({"mailbox": MARIE}) is None
    assert await two.account_deletion.resume() == 0

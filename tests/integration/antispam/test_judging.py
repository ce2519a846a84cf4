"""Messages from the queue of antispam to those of the router and the quarantine."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from libs.envelope import Peer, queues
from libs.mongo import Mongo
from services.antispam.reputation.mass_mailings import MassMailingCounter
from services.antispam.reputation.mongo_mass_mailings import MongoMassMailings

LIST = "/v1/lists/sender_black"


async def test_a_message_gets_a_verdict_for_each_domain_and_goes_to_the_router(replica: Any, post: Any) -> None:
    id = await post.send(_ham(), "marie@example.org", "luc@example.com", "x@elsewhere.example")
    mail = (await post.taken(id))[queues.ROUTER]
    verdicts = mail.envelope.verdicts
    assert set(verdicts) == {"example.org", "example.com"}  # what leaves for elsewhere has no verdict
    assert all(not verdict.spam and verdict.required == 7.5 for verdict in verdicts.values())
    assert [to.address for to in mail.envelope.recipients] == [
        *("marie@example.org", "luc@example.com", "x@elsewhere.example")
    ]


async def test_each_domain_treats_the_same_spam_by_its_own_policy(replica: Any, post: Any) -> None:
    await replica.call("POST", LIST, expect=201, json={"value": "jean@elsewhere.example"})
    for domain, action in (("a.example", "junk"), ("b.example", "quarantine")):
        await replica.call("PATCH", f"/v1/policies/{domain}", json={"action": action})
    id = await post.send(_ham(), "m@a.example", "m@b.example", "m@c.example")
    taken = await post.taken(id, pieces=2)
    free, held = taken[queues.ROUTER].envelope, taken[queues.QUARANTINE].envelope
    assert [to.address for to in free.recipients] == ["m@a.example", "m@c.example"]
    assert [to.address for to in held.recipients] == ["m@b.example"]
    assert {domain: verdict.action for domain, verdict in free.verdicts.items()} == {
        "a.example": "junk",
        "b.example": "quarantine",
        "c.example": "tag",
    }
    assert free.verdicts["c.example"].subject_prefix == "[SPAM]"
    assert held.quarantine_reason == "spam: score 100, required 7.5"
    assert taken[queues.QUARANTINE].raw == _ham()


async def test_a_message_released_from_quarantine_is_not_judged(replica: Any, post: Any) -> None:
    await replica.call("POST", LIST, expect=201, json={"value": "jean@elsewhere.example"})
    mail = (await post.taken(await post.send(_ham(), "m@a.example", released=True)))[queues.ROUTER]
    assert not mail.envelope.verdicts


async def test_a_domain_may_do_without_antispam(replica: Any, post: Any) -> None:
    await replica.call("PATCH", "/v1/policies/a.example", json={"enabled": False})
    mail = (await post.taken(await post.send(_ham(), "m@a.example", "m@b.example")))[queues.ROUTER]
    assert set(mail.envelope.verdicts) == {"b.example"}


@pytest.mark.parametrize(("action", "queue"), [("quarantine", queues.QUARANTINE), ("junk", queues.ROUTER)])
async def test_outgoing_spam_can_be_held_but_is_never_changed(replica: Any, post: Any, action: str, queue: str) -> None:
    await replica.call("POST", LIST, expect=201, json={"value": "marie@example.org"})
    await replica.call("PATCH", "/v1/policies/outgoing", json={"enabled": True, "action": action})
    signed_in = {"listener": "submission", "peer": Peer(account="marie@example.org"), "mail_from": "marie@example.org"}
    mail = (await post.taken(await post.send(_ham(), "x@elsewhere.example", **signed_in)))[queue]
    verdict = mail.envelope.verdicts[""]
    assert verdict.spam
    assert (verdict.action, verdict.subject_prefix) == ("quarantine" if action == "quarantine" else "none", "")


async def test_a_large_message_comes_out_of_the_blob_store_and_keeps_its_bytes(replica: Any, post: Any) -> None:
    raw = _ham() + b"a line of text that fills the message\r\n" * 20_000
    mail = (await post.taken(await post.send(raw, "m@a.example")))[queues.ROUTER]
    assert (mail.envelope.blob or "").startswith(mail.envelope.id)
    assert mail.envelope.verdicts["a.example"].spam is False


async def test_the_same_message_to_dozens_of_recipients_counts_against_it(start: Any, post: Any) -> None:
    await start(mass_mailing_recipients=10)
    hits = []
    for n in range(12):
        mail = (await post.taken(await post.send(_ham(), f"m{n}@a.example")))[queues.ROUTER]
        hits.append("checksum" in {test.name for test in mail.envelope.verdicts["a.example"].tests})
    assert hits == [False] * 9 + [True] * 3


async def test_replicas_add_up_the_recipients_that_each_of_them_counted(mongo: Mongo) -> None:
    now, window = datetime(2026, 1, 1, tzinfo=UTC), timedelta(minutes=10)
    store = MongoMassMailings(mongo.database("antispam"), window=window)
    await store.prepare()
    replicas = [MassMailingCounter(threshold=10, window=window, capacity=100) for _ in range(3)]
    for n in range(12):
        replicas[n % 3].count("digest", recipients=1, message_id=str(n), now=now)
    for _ in range(2):  # the first exchange tells, the second hears
        for replica in replicas:
            replica.count("digest", recipients=1, message_id=f"{id(replica)}{_}", now=now)
            await replica.exchange(lambda counts: store.add(counts, now))
    assert [replica.count_of("digest", now) for replica in replicas] == [16, 17, 18]
    later = now + window + timedelta(seconds=1)
    assert await store.add({"digest": 1}, later) == {"digest": 1}


def _ham() -> bytes:
    return (
        b"From: Jean <jean@elsewhere.example>\r\nTo: Marie <marie@example.org>\r\nSubject: the minutes\r\n"
        b"Date: Thu, 01 Jan 2026 11:00:00 +0000\r\nMessage-ID: <1@elsewhere.example>\r\n\r\n"
        b"Dear Marie, here are the minutes of our meeting of Tuesday, with the list of what is left to do.\r\n"
    )

"""The queue of an older version is taken over: nothing of it is lost, and nothing is sent twice."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from libs.mongo import Mongo
from services.relay.adapters.legacy_migration import LegacyMigration
from tests.integration.relay.conftest import BYTES, DONE_RETENTION, Clock, QueueReplica, a_mail

Replicas = Callable[[], QueueReplica]
FOUND = {"attempts": 3, "last_reply": "450 4.2.0 later", "notified_delay": True}


async def older_queue(database: Any, clock: Clock) -> None:
    """As the older version wrote it: one entry of each state, a large message, and a message whose bytes expired."""
    now = clock()
    await database.messages.create_index("expires_at", expireAfterSeconds=0)
    mail = a_mail("waits@far.example", "sends@far.example", "crashed@far.example", "done@far.example")
    large = a_mail("waits@far.example", id="large", blob="large-blob")
    for each in (mail, large):
        await database.messages.insert_one({
            "_id": each.envelope.id, "envelope": each.envelope.model_dump_json(), "raw": each.content,
            "expires_at": now + timedelta(days=12),
        })  # fmt: skip
    entries: list[tuple[str, str, dict[str, Any]]] = [
        ("m1", "waits@far.example", {"state": "queued", "next_at": now + timedelta(hours=1), **FOUND}),
        ("m1", "sends@far.example", {"state": "sending", "lease": "x", "lease_until": now + timedelta(minutes=20)}),
        ("m1", "crashed@far.example", {"state": "sending", "lease": "y", "lease_until": now - timedelta(minutes=1)}),
        ("m1", "done@far.example", {"state": "sent", "expires_at": now + DONE_RETENTION}),
        ("large", "waits@far.example", {"state": "queued"}),
        ("gone", "waits@far.example", {"state": "queued"}),
    ]
    for message, recipient, fields in entries:
        await database.entries.insert_one({
            "_id": f"{message}:{recipient}", "message": message, "recipient": recipient, "destination": "far.example",
            "attempts": 1, "created_at": now, "next_at": now, **fields,
        })  # fmt: skip


async def test_every_entry_of_an_older_version_is_taken_over_as_it_was(
    mongo: Mongo, clock: Clock, replica: Replicas
) -> None:
    database, relay = mongo.database("relay"), replica()
    await older_queue(database, clock)
    assert await LegacyMigration(database).round(now=clock()) == 5
    assert await relay.states() == {
        "gone:waits@far.example": "queued", "large:waits@far.example": "queued",
        "m1:crashed@far.example": "queued", "m1:done@far.example": "sent", "m1:waits@far.example": "queued",
    }  # fmt: skip
    claimed = {entry.id: entry for entry in await relay.claim()}
    assert set(claimed) == {"gone:waits@far.example", "large:waits@far.example", "m1:crashed@far.example"}
    clock.move(timedelta(hours=1))
    [waiting] = await relay.claim()
    assert {name: getattr(waiting, name) for name in FOUND} == {**FOUND, "attempts": 4}
    bodies = await relay.queue.bodies.get(["m1", "large", "gone"])
    assert bodies["m1"].raw == BYTES
    assert bodies["large"].envelope.blob == "large-blob"
    assert "gone" not in bodies, "it fails, and an operator hears of it"


async def test_what_an_older_replica_sends_is_left_to_it_until_its_lease_is_over(
    mongo: Mongo, clock: Clock, replica: Replicas
) -> None:
    database, relay = mongo.database("relay"), replica()
    await older_queue(database, clock)
    legacy = LegacyMigration(database)
    await legacy.round(now=clock())
    assert await database.entries.distinct("_id") == ["m1:sends@far.example"]
    await database.entries.update_one(
        {"_id": "m1:sends@far.example"},
        {"$set": {"state": "sent", "expires_at": clock() + DONE_RETENTION}, "$unset": {"lease": "", "lease_until": ""}},
    )
    await legacy.round(now=clock())
    assert (await relay.states())["m1:sends@far.example"] == "sent"
    await legacy.round(now=clock())
    assert await database.messages.find_one({}) is not None, "its entries may come yet"
    clock.move(timedelta(hours=1))
    await legacy.round(now=clock())
    assert await database.messages.find_one({}) is None


async def test_a_takeover_that_was_cut_off_is_finished_by_the_next(
    mongo: Mongo, clock: Clock, replica: Replicas
) -> None:
    database, relay = mongo.database("relay"), replica()
    await older_queue(database, clock)
    await database.entries.update_many({"state": "queued"}, {"$set": {"state": "moving", "was": "queued"}})
    for legacy in (LegacyMigration(database), LegacyMigration(database)):
        await legacy.round(now=clock())
    assert sorted((await relay.states()).values()) == ["queued"] * 4 + ["sent"]


async def test_the_bytes_no_longer_go_by_a_clock(mongo: Mongo, clock: Clock, replica: Replicas) -> None:
    database = mongo.database("relay")
    replica()
    await older_queue(database, clock)
    await LegacyMigration(database).round(now=clock())
    indexes = await database.messages.index_information()
    assert not [name for name, index in indexes.items() if "expireAfterSeconds" in index]

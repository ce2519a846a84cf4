"""Changes are told exactly when they have happened, also by a process that dies right after."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

from libs.bus import Event
from libs.bus.embedded import EmbeddedBus
from libs.events import AccountChanged, AccountDeleted, DomainChanged
from libs.mongo import Mongo
from libs.runtime.periodic import PeriodicRunner
from libs.telemetry import Metrics
from services.router.adapters.outbox import EventOutbox

NAMES = ("DomainChanged", "AccountChanged", "AccountDeleted", "RoutesChanged")
JEAN = "jean.toto@example.org"


class Listener:
    """Hears everything; `until(n)` waits for n events, at most five seconds."""

    def __init__(self) -> None:
        self.heard: list[Event] = []
        self._news = asyncio.Event()

    async def __call__(self, event: Event) -> None:
        self.heard.append(event)
        self._news.set()

    async def until(self, *wanted: str) -> list[tuple[str, bytes]]:
        async with asyncio.timeout(5):
            while [event.name for event in self.heard][: len(wanted)] != list(wanted):
                self._news.clear()
                await self._news.wait()
        return [(event.name, event.payload) for event in self.heard]


async def test_each_change_is_told_with_what_others_need(router: Any, bus: EmbeddedBus) -> None:
    listener = Listener()
    await bus.subscribe(NAMES, listener, group="test")
    made = await router.post("/v1/accounts", address=JEAN, password="secret-123", quota_bytes=5000, profile="guest")
    await router.call("PATCH", f"/v1/accounts/{JEAN}", expect=200, json={"quota_bytes": None})
    await router.call("PATCH", "/v1/domains/example.org", expect=200, json={"default_quota_bytes": 7000})
    await router.post("/v1/redirects", address=JEAN, targets=["x@far.example"])
    await router.call("DELETE", f"/v1/accounts/{JEAN}", expect=204)
    heard = await listener.until(
        *("RoutesChanged", "AccountChanged", "AccountChanged", "DomainChanged"),
        *("RoutesChanged", "AccountChanged", "RoutesChanged", "AccountDeleted"),
    )
    changed = [AccountChanged.model_validate_json(heard[n][1]) for n in (1, 2, 5)]
    assert [fact.quota_bytes for fact in changed] == [5000, None, None]
    first, second, third = [fact.quota_at for fact in changed if fact.quota_at]
    assert first < second == third
    domain = DomainChanged.model_validate_json(heard[3][1])
    assert domain.quota_bytes == 7000
    assert domain.quota_at is not None
    assert domain.quota_at > second
    assert {(fact.address, fact.profile) for fact in changed} == {(JEAN, "guest")}
    [made_at] = {fact.made_at.replace(microsecond=0) for fact in changed if fact.made_at}
    assert made_at == datetime.fromisoformat(made["created_at"]).replace(microsecond=0)
    deleted_at = AccountDeleted.model_validate_json(heard[7][1]).deleted_at
    assert deleted_at is not None
    assert deleted_at > made_at


async def test_the_limit_that_a_former_version_kept_for_a_domain_is_told_once_at_the_start(
    start: Any, bus: EmbeddedBus, mongo: Mongo
) -> None:
    first = await start()
    await first.post("/v1/domains", name="example.org", default_quota_bytes=7000)
    await quiet(mongo)
    await first.running.stop()
    domains = mongo.database("router")["domains"]
    await domains.update_one({"_id": "example.org"}, {"$unset": {"quota_at": ""}})
    listener = Listener()
    await bus.subscribe(NAMES, listener, group="test")
    await (await start()).running.stop()
    third = await start()
    await third.post("/v1/accounts", address=JEAN, password="secret-123")
    heard = await listener.until("DomainChanged", "RoutesChanged", "AccountChanged")
    assert DomainChanged.model_validate_json(heard[0][1]).quota_bytes == 7000


async def test_what_a_process_could_not_tell_before_it_died_is_told_by_the_next(
    start: Any, bus: EmbeddedBus, mongo: Mongo
) -> None:
    first = await start()
    await first.post("/v1/domains", name="example.org")
    await first.post("/v1/accounts", address=JEAN, password="secret-123")
    await quiet(mongo)
    await bus.close()
    await first.call("DELETE", f"/v1/accounts/{JEAN}", expect=204)
    again = await first.post("/v1/accounts", address=JEAN, password="secret-123", expect=409)
    assert "still being deleted" in again["detail"]
    await first.running.stop()
    await bus.start()
    listener = Listener()
    await bus.subscribe(NAMES, listener, group="test")
    second = await start()
    await listener.until("RoutesChanged", "AccountDeleted")
    await quiet(mongo)
    await second.post("/v1/accounts", address=JEAN, password="secret-123")


async def quiet(mongo: Mongo) -> None:
    """Returns when no event waits."""
    async with asyncio.timeout(5):
        while await mongo.database("router")["events"].find_one({}):
            await asyncio.sleep(0.01)


async def test_a_bus_that_is_away_delays_events_and_loses_none(mongo: Mongo, bus: EmbeddedBus) -> None:
    database = mongo.database("router")
    for number in range(150):
        await database["events"].insert_one({"_id": f"{number:03}", "name": "RoutesChanged", "payload": b"%d" % number})
    listener = Listener()
    await bus.subscribe(NAMES, listener, group="test")
    await bus.close()
    emitter = EventOutbox(database, bus, timedelta(milliseconds=20))
    work = asyncio.create_task(PeriodicRunner(emitter.row, Metrics()).run())
    try:
        await asyncio.sleep(0)
        await bus.start()
        await bus.subscribe(NAMES, listener, group="test")
        heard = await listener.until(*["RoutesChanged"] * 150)
        assert {payload for _, payload in heard} == {b"%d" % number for number in range(150)}
    finally:
        work.cancel()


async def test_a_refused_change_tells_nothing(people: Any, bus: EmbeddedBus) -> None:
    listener = Listener()
    await people.post("/v1/accounts", address=JEAN, password="secret-123", expect=409)
    await bus.subscribe(NAMES, listener, group="test")
    await people.post("/v1/aliases", address="a@example.org", targets=[JEAN])
    assert await listener.until("RoutesChanged") == [("RoutesChanged", b'{"address":"a@example.org"}')]


async def test_an_event_that_cannot_be_emitted_is_set_aside_and_holds_up_none(mongo: Mongo, bus: EmbeddedBus) -> None:
    events = mongo.database("router")["events"]
    await events.insert_many([{"_id": "1", "payload": b"1"}, {"_id": "2", "name": "RoutesChanged", "payload": b"2"}])
    listener = Listener()
    await bus.subscribe(NAMES, listener, group="test")
    emitter = EventOutbox(mongo.database("router"), bus, timedelta(hours=1))
    await emitter.round()
    assert await listener.until("RoutesChanged") == [("RoutesChanged", b"2")]
    left = await events.find({}).to_list(None)
    assert [(document["_id"], document["set_aside"]) for document in left] == [("1", "KeyError: 'name'")]

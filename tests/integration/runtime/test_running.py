"""One service in this process: its dead letters over HTTP, what keeps their bytes, and how it starts and stops."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from libs.blobs import Missing
from libs.blobs.files import FileBlobs
from libs.bus.embedded import EmbeddedBus
from libs.envelope import Envelope, Mail, Permanent, Recipient, Temporary, encode
from libs.envelope.model import utc_now
from libs.events import QuotaChanged
from libs.http import Check, Checks, Connections, Server, application
from libs.mongo import Mongo
from libs.neighbours import IngressClient
from libs.runtime import (
    EventHandler,
    MustEnd,
    Periodic,
    QueueHandler,
    Route,
    Service,
    Shared,
    dead_letter_blobs,
)
from libs.runtime.dependencies import Dependencies
from libs.runtime.process import RunningService
from libs.runtime.shared import open_shared
from libs.settings import ServiceSettings
from libs.telemetry import Metrics
from tests.servers.facteur import free_port_base
from tests.servers.replicas import shared_in
from tests.waiting import eventually

QUEUES = ("mail.one", "mail.two")
EVENTS = "events.quota.limits"


class Sockets:
    """A listener that notes what happens to it."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.calls: list[str] = []

    async def start(self) -> None:
        self.calls.append("start")
        if self.error is not None:
            raise self.error

    async def stop(self, grace: timedelta) -> None:
        self.calls.append("stop")
        if self.error is not None:
            raise RuntimeError("and it does not stop either")


@dataclass
class World:
    """What a service shares; its blobs are in `directory`."""

    shared: Shared
    blobs: FileBlobs
    directory: Path
    settings: ServiceSettings

    @asynccontextmanager
    async def running(self, *, meets: bool = False, **parts: Any) -> AsyncIterator[httpx.AsyncClient]:
        service = Service(name="quota", settings=self.settings, metrics=Metrics(), routers=(), **parts)
        running = RunningService(service, self.shared)
        try:
            await running.open()
            if meets:
                await running.wait_for_neighbours()
            await running.begin(on_failure=lambda: pytest.fail(running.failure))
            async with self.http() as http:
                yield http
        finally:
            await running.drain()
            await running.stop()

    def http(self) -> httpx.AsyncClient:
        headers = {"Authorization": "Bearer admin"}
        return httpx.AsyncClient(base_url=self.settings.url_of("quota"), headers=headers, trust_env=False)

    async def bury(self, queue: str, *names: str, blob: str | None = None) -> None:
        """Dead letters in `queue`, by a handler that wants none of them."""
        await self.shared.bus.declare(queue)
        died = asyncio.Event()
        reasons = list(names)

        async def refuse(delivery: Any) -> None:
            await delivery.dead_letter(reasons.pop(0))
            if not reasons:
                died.set()

        consumer = await self.shared.bus.consume(queue, refuse, prefetch=1)
        for name in names:
            size = 3 if blob is None else 1000
            envelope = Envelope(
                id=name, received_at=NOW, recipients=(), size_bytes=size, sha256="", blob=blob, verdicts={}
            )
            await self.shared.bus.publish(queue, encode(Mail(envelope, b"raw")))
        async with asyncio.timeout(10):
            await died.wait()
        await consumer.stop()


NOW = datetime(2024, 5, 17, tzinfo=UTC)


@pytest.fixture
async def world(tmp_path: Path, mongo: Mongo) -> AsyncIterator[World]:
    bus, blobs = EmbeddedBus(tmp_path / "bus", retry_delays=[timedelta(milliseconds=5)]), FileBlobs(tmp_path / "blobs")
    await bus.start()
    shared = shared_in(tmp_path, mongo, bus, blobs=blobs, inline_limit_bytes=100)
    settings = ServiceSettings(port_base=free_port_base(), drain_deadline=timedelta(seconds=5))
    yield World(shared.of("quota", settings), blobs, tmp_path / "blobs", settings)
    await bus.close()


async def nothing(mail: Mail) -> Iterable[Route]:
    return ()


HANDLES = tuple(QueueHandler(queue, nothing) for queue in QUEUES)


async def everything(http: httpx.AsyncClient, limit: int) -> list[list[dict[str, Any]]]:
    """All pages of the dead letters."""
    pages: list[list[dict[str, Any]]] = []
    after: dict[str, str] = {}
    while True:
        response = await http.get("/v1/dead-letters", params={"limit": limit, **after})
        assert response.status_code == 200, response.text
        pages.append(response.json()["items"])
        if response.json()["next"] is None:
            return pages
        after = {"after": response.json()["next"]}


async def test_dead_letters_of_several_queues_are_paged_without_a_gap(world: World) -> None:
    for queue, names in (("mail.one", ("a", "b", "c")), ("mail.two", ("d", "e"))):
        await world.bury(queue, *names)
    async with world.running(queue_handlers=HANDLES) as http:
        for limit in (1, 2, 3, 100):
            pages = await everything(http, limit)
            assert [item["envelope"]["id"] for page in pages for item in page] == ["a", "b", "c", "d", "e"]
            assert all(len(page) <= limit for page in pages)


async def test_no_dead_letters_are_one_empty_page(world: World) -> None:
    async with world.running(queue_handlers=HANDLES) as http:
        assert (await http.get("/v1/dead-letters")).json() == {"items": [], "next": None}


async def test_a_dead_letter_shows_what_the_operator_needs(world: World) -> None:
    await world.bury("mail.one", "a")
    await world.bury("mail.two", "b")
    async with world.running(queue_handlers=HANDLES) as http:
        first = (await http.get("/v1/dead-letters")).json()["items"][0]
    assert first["id"].startswith("mail.one:")
    assert {key: first[key] for key in ("queue", "reason", "attempts", "event")} == {
        "queue": "mail.one", "reason": "a", "attempts": 1, "event": None,
    }  # fmt: skip
    assert datetime.fromisoformat(first["died_at"]) <= utc_now()


async def test_a_replayed_dead_letter_is_handled_as_a_first_attempt(world: World) -> None:
    handled: list[str] = []

    async def handle(mail: Mail) -> Iterable[Route]:
        handled.append(mail.envelope.id)
        return ()

    await world.bury("mail.two", "a", "b")
    async with world.running(
        queue_handlers=(QueueHandler("mail.one", nothing), QueueHandler("mail.two", handle))
    ) as http:
        [[first, second]] = await everything(http, 100)
        answer = await http.post(f"/v1/dead-letters/{second['id']}/replay")
        assert answer.json() == {"id": second["id"], "queue": "mail.two"}

        async def done() -> bool:
            return handled == ["b"]

        await eventually(done)
        assert [[item["id"] for item in page] for page in await everything(http, 100)] == [[first["id"]]]
        assert (await http.post(f"/v1/dead-letters/{second['id']}/replay")).status_code == 404


async def test_all_dead_letters_that_match_go_back_at_once(world: World) -> None:
    handled: list[str] = []

    async def handle(mail: Mail) -> Iterable[Route]:
        handled.append(mail.envelope.id)
        return ()

    await world.bury("mail.two", "engine down 1", "poison", "engine down 2", "engine down 3")
    async with world.running(
        queue_handlers=(QueueHandler("mail.one", nothing), QueueHandler("mail.two", handle))
    ) as http:
        wanted = {"queue": "mail.two", "reason": "engine down", "until": (utc_now()).isoformat(), "limit": 2}
        first = await http.post("/v1/dead-letters/replay", json=wanted)
        assert first.json() == {"queue": "mail.two", "replayed": 2, "more": True}, first.text
        second = await http.post("/v1/dead-letters/replay", json=wanted)
        assert second.json() == {"queue": "mail.two", "replayed": 1, "more": False}

        async def done() -> bool:
            return handled == ["engine down 1", "engine down 2", "engine down 3"]

        await eventually(done)
        assert [[item["reason"] for item in page] for page in await everything(http, 100)] == [["poison"]]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 422),
        ({"queue": "mail.nowhere"}, 404),
        ({"queue": "mail.one", "limit": 0}, 422),
        ({"queue": "mail.one", "limit": 2001}, 422),
        ({"queue": "mail.one", "limit": "10"}, 422),
        ({"queue": "mail.one", "until": 1}, 422),
        ({"queue": "mail.one", "reasons": "x"}, 422),
    ],
    ids=["nothing", "another_queue", "none", "too_many", "text", "no_time", "unknown_member"],
)
async def test_a_replay_of_many_says_exactly_what_it_wants(world: World, body: dict[str, Any], status: int) -> None:
    async with world.running(queue_handlers=HANDLES) as http:
        assert (await http.post("/v1/dead-letters/replay", json=body)).status_code == status


async def test_a_cursor_that_is_none_is_refused(world: World) -> None:
    async with world.running(queue_handlers=HANDLES) as http:
        assert (await http.get("/v1/dead-letters", params={"after": "mail.one:5"})).status_code == 422


async def test_the_sender_of_mail_that_is_given_up_is_told_before_it_is_a_dead_letter(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[str, bytes]] = []

    async def send(post: IngressClient, letter: bytes, *, to: str, key: str) -> None:
        assert (await world.shared.bus.depth("mail.one")).dead == 0
        told.append((to, letter))

    async def refuse(mail: Mail) -> Iterable[Route]:
        raise Permanent("it never works")

    monkeypatch.setattr(IngressClient, "send", send)
    raw = b"Subject: hello\r\n\r\nsecret"
    async with world.running(queue_handlers=(QueueHandler("mail.one", refuse),)) as http:
        envelope = Envelope(
            id="m1",
            received_at=NOW,
            mail_from="marie@else.where",
            recipients=(Recipient(address="jean@example.org", domain="example.org"),),
            size_bytes=len(raw),
            sha256="",
        )
        await world.shared.bus.publish("mail.one", encode(Mail(envelope, raw)))

        async def is_dead() -> bool:
            return bool((await http.get("/v1/dead-letters")).json()["items"])

        await eventually(is_dead)
        page = (await http.get("/metrics")).text
    [(to, letter)] = told
    assert to == "marie@else.where"
    assert b"Subject: hello" in letter
    assert b"5.3.0" in letter
    assert b"secret" not in letter
    assert b"it never works" not in letter, "what is wrong inside is nobody's business"
    assert 'facteur_messages_dead_lettered_total{queue="mail.one",sender="told"} 1.0' in page


async def test_the_figures_of_queues_are_on_the_page_of_metrics(world: World) -> None:
    await world.bury("mail.one", "a")
    async with world.running(queue_handlers=HANDLES) as http:

        async def is_there() -> bool:
            page = (await http.get("/metrics")).text
            return 'facteur_queue_messages{queue="mail.one",state="dead"} 1.0' in page

        await eventually(is_there)


async def test_a_purged_dead_letter_is_gone(world: World) -> None:
    await world.bury("mail.one", "a", "b")
    async with world.running(queue_handlers=HANDLES) as http:
        first, second = (await http.get("/v1/dead-letters")).json()["items"]
        assert (await http.delete(f"/v1/dead-letters/{first['id']}")).status_code == 204
        assert (await http.delete(f"/v1/dead-letters/{first['id']}")).status_code == 404
        assert [item["id"] for item in (await http.get("/v1/dead-letters")).json()["items"]] == [second["id"]]


# No such id, an id that is none, another service's queue, no queue, nothing.
UNKNOWN = ("mail.one:999", "mail.one:x", "mail.store:1", "1", ":")


async def test_what_is_not_there_is_404(world: World) -> None:
    await world.bury("mail.one", "a")
    async with world.running(queue_handlers=HANDLES) as http:
        for id in UNKNOWN:
            for method, path in (("POST", f"{id}/replay"), ("DELETE", id)):
                answer = await http.request(method, f"/v1/dead-letters/{path}")
                assert (answer.status_code, answer.json()["detail"]) == (404, "there is no such dead letter"), id


async def test_a_wrong_question_is_answered_so(world: World) -> None:
    async with world.running(queue_handlers=HANDLES) as http:
        for limit in (0, 1001, "many"):
            assert (await http.get("/v1/dead-letters", params={"limit": limit})).status_code == 422
        assert (await http.get("/v1/dead-letters", params={"after": "mail.store:1"})).status_code == 422


async def test_dead_letters_are_for_the_administrator(world: World) -> None:
    async with world.running(queue_handlers=HANDLES) as http:
        for token, status in (("ingress", 403), ("reporting", 403), ("", 401), ("guess", 401)):
            headers = {"Authorization": f"Bearer {token}".strip()}
            assert (await http.get("/v1/dead-letters", headers=headers)).status_code == status
            assert (await http.post("/v1/dead-letters/mail.one:1/replay", headers=headers)).status_code == status
            assert (await http.delete("/v1/dead-letters/mail.one:1", headers=headers)).status_code == status


async def test_an_event_that_nobody_could_handle_is_a_dead_letter_too(world: World) -> None:
    async def hear(event: QuotaChanged) -> None:
        raise Permanent("no such account")

    async with world.running(event_handlers=(EventHandler(QuotaChanged, hear, group="quota", name="limits"),)) as http:
        await world.shared.bus.emit(QuotaChanged(address="a@example.org").to_bus())

        async def dead() -> bool:
            return bool((await http.get("/v1/dead-letters")).json()["items"])

        await eventually(dead)
        [item] = (await http.get("/v1/dead-letters")).json()["items"]
        assert (item["queue"], item["event"], item["envelope"]) == (EVENTS, "QuotaChanged", None)
        assert (await http.delete(f"/v1/dead-letters/{item['id']}")).status_code == 204


async def test_events_that_are_heard_are_counted_and_a_hung_handler_is_ended(world: World) -> None:
    tries: list[str] = []

    async def hear(event: QuotaChanged) -> None:
        tries.append(event.address)
        if len(tries) == 1:
            await asyncio.Event().wait()

    world.settings = world.settings.model_copy(update={"handler_deadline": timedelta(seconds=0.05)})
    async with world.running(event_handlers=(EventHandler(QuotaChanged, hear, group="quota", name="limits"),)) as http:
        await world.shared.bus.emit(QuotaChanged(address="a@example.org").to_bus())

        async def done() -> bool:
            return (
                'facteur_events_handled_total{event="QuotaChanged",outcome="done"} 1.0'
                in (await http.get("/metrics")).text
            )

        await eventually(done)
        assert 'outcome="failed"} 1.0' in (await http.get("/metrics")).text


async def test_the_bytes_of_dead_letters_are_kept_however_long_they_wait(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_letter_blobs, "PAGE", 2)
    for name in ("a1", "b2", "c3", "free"):
        await world.blobs.put(name, b"x" * 1000)
        await world.bury("mail.two", name, blob=None if name == "free" else name)
    await world.bury("mail.two", "gone", blob="gone")  # an error in the log, and no more
    await world.shared.bus.publish("mail.two", b"poison")
    long_after = utc_now() + timedelta(seconds=1)
    age(world, long_after - timedelta(days=30))
    await world.shared.bus.declare(*QUEUES)
    for _ in range(2):  # in a later round as well
        age(world, long_after - timedelta(days=30))
        await dead_letter_blobs.keep_dead_letter_blobs(world.shared.bus, world.blobs, QUEUES)
        assert all([await is_younger(world, name, long_after - timedelta(days=14)) for name in ("a1", "b2", "c3")])
    assert await world.blobs.collect(long_after - timedelta(days=14)) == 1
    assert await world.blobs.get("a1") == b"x" * 1000
    with pytest.raises(Missing):
        await world.blobs.get("free")


def age(world: World, then: datetime) -> None:
    for path in world.directory.glob("*/*"):
        os.utime(path, (then.timestamp(), then.timestamp()))


async def is_younger(world: World, name: str, then: datetime) -> bool:
    return (world.directory / name[-2:] / name).stat().st_mtime > then.timestamp()


async def test_a_service_with_queues_keeps_its_dead_letters_from_its_start(world: World) -> None:
    await world.blobs.put("a1", b"x" * 1000)
    await world.bury("mail.one", "a1", blob="a1")
    old = utc_now() - timedelta(days=30)
    age(world, old)

    async def kept() -> bool:
        return await is_younger(world, "a1", old + timedelta(days=1))

    async with world.running(queue_handlers=HANDLES):
        await eventually(kept)


async def test_readiness_is_given_when_the_last_listener_is_up_and_taken_back_first(world: World) -> None:
    seen: list[Any] = []

    class Asking(Sockets):
        async def start(self) -> None:
            await self.ask()

        async def stop(self, grace: timedelta) -> None:
            await self.ask()

        async def ask(self) -> None:
            async with world.http() as http:
                seen.append((await http.get("/readyz")).json()["missing"])

    async with world.running(listeners=(Asking(),)) as http:
        seen.append((await http.get("/readyz")).json()["missing"])
    assert seen == [{"service": "the service starts"}, {}, {"service": "the service stops"}]


async def test_a_listener_that_fails_to_start_leaves_nothing_behind(world: World) -> None:
    good, bad, never = Sockets(), Sockets(OSError("cannot listen on 127.0.0.1:25")), Sockets()
    with pytest.raises(OSError, match="cannot listen on"):
        async with world.running(queue_handlers=HANDLES, listeners=(good, bad, never)):
            pytest.fail("it must not run")
    # All that began to start was stopped, whatever else went wrong on the way down; the port is free again.
    assert (good.calls, bad.calls, never.calls) == (["start", "stop"], ["start", "stop"], [])
    async with world.running(queue_handlers=HANDLES) as http:
        assert (await http.get("/readyz")).status_code == 200


async def test_background_work_that_must_end_is_told_with_its_reason(world: World) -> None:
    async def watch() -> None:
        raise MustEnd("two processes own one directory")

    told = asyncio.Event()
    rows = (Periodic("watch", watch, timedelta(hours=1)),)
    service = Service(name="quota", settings=world.settings, metrics=Metrics(), routers=(), background=rows)
    running = RunningService(service, world.shared)
    await running.start(on_failure=told.set)
    async with asyncio.timeout(10):
        await told.wait()
    assert running.failure == "quota: watch: two processes own one directory"
    await running.drain()
    await running.stop()


async def raising() -> None:
    raise KeyError("a bug")


async def returning() -> None:
    pass


async def cancelled_from_inside() -> None:
    task = asyncio.create_task(asyncio.Event().wait())
    asyncio.get_running_loop().call_soon(task.cancel)
    await task


FAILING = {
    "a round that raises": (Periodic("work", raising, timedelta(hours=1)), 'name="work"'),
    "a round that is cancelled from inside": (Periodic("work", cancelled_from_inside, timedelta(hours=1)), "work"),
    "a loop that raises": (raising, 'name="raising"'),
    "a loop that returns": (returning, 'name="returning"'),
    "a loop that is cancelled from inside": (cancelled_from_inside, 'name="cancelled_from_inside"'),
}


@pytest.mark.parametrize(("work", "name"), FAILING.values(), ids=FAILING.keys())
async def test_background_work_that_fails_is_counted_and_the_service_goes_on(
    world: World, work: Any, name: str
) -> None:
    async with world.running(background=(work,)) as http:

        async def counted() -> bool:
            lines = (await http.get("/metrics")).text.splitlines()
            return any(
                line.startswith("facteur_periodic_job_runs_total") and name in line and '"bug"' in line
                for line in lines
            )

        await eventually(counted)
        assert (await http.get("/readyz")).status_code == 200


async def test_background_work_that_ends_because_all_stops_is_no_failure(world: World) -> None:
    listener = Sockets()

    async def until_stopped() -> None:
        while "stop" not in listener.calls:
            await asyncio.sleep(0.001)

    async with world.running(listeners=(listener,), background=(until_stopped,)):
        pass


async def test_a_broken_bus_leaves_the_service_answering_and_is_shown(world: World) -> None:
    async with world.running() as http:
        await world.shared.bus.close()
        assert (await http.get("/readyz")).status_code == 200
        shown = (await http.get("/readyz?verbose")).json()
    assert shown["missing"] == {"bus": "the broker does not answer or is blocked"}
    assert shown["dependencies"] == {"bus": "down", "database": "up"}


async def test_dependencies_are_series_of_which_changes_are_logged() -> None:
    metrics, answers = Metrics(), {"bus": True, "database": True}

    def check(name: str) -> Check:
        async def check() -> None:
            if not answers[name]:
                raise Temporary(f"{name} is away")

        return check

    looked_at = Dependencies({name: check(name) for name in answers}, metrics)

    async def look() -> list[tuple[Any, ...]]:
        with capture_logs() as logs:
            await looked_at.update()
        return [(line["event"], line["name"], line.get("reason")) for line in logs]

    def up(name: str) -> float | None:
        return metrics.registry.get_sample_value("facteur_dependency_up", {"name": name})

    assert await look() == []
    answers["database"] = False
    assert await look() == [("dependency_lost", "database", "database is away")]
    assert await look() == []
    assert (up("bus"), up("database")) == (1, 0)
    answers["database"] = True
    assert await look() == [("dependency_restored", "database", None)]
    assert up("database") == 1


class Neighbour:
    """An API that is ready when it is told to be."""

    def __init__(self, world: World, name: str) -> None:
        self.reason = "it starts"
        checks = Checks(ready={"service": self._check})
        app = application(name, routers=(), checks=checks, metrics=Metrics(), tokens=world.shared.tokens)
        connections = Connections(limit=50, limit_per_network=50)
        self.server = Server(app, addresses=["127.0.0.1"], port=world.settings.port_of(name), connections=connections)

    async def _check(self) -> None:
        if self.reason:
            raise Temporary(self.reason)


async def test_mail_is_taken_once_the_neighbours_that_it_needs_are_ready(world: World) -> None:
    neighbour, listener, begun = Neighbour(world, "router"), Sockets(), asyncio.Event()

    async def run() -> None:
        async with world.running(queue_handlers=HANDLES, meets=True, needs=("router",), listeners=(listener,)):
            begun.set()
            await asyncio.Event().wait()

    async def waits() -> bool:
        try:
            async with world.http() as http:
                answer = await http.get("/readyz")
        except httpx.TransportError:
            return False
        return bool(answer.json()["missing"] == {"service": "the service waits for router"})

    running = asyncio.create_task(run())
    await eventually(waits)  # the neighbour does not even listen
    await neighbour.server.start()
    await eventually(waits)  # it listens, and is not ready
    assert listener.calls == []
    neighbour.reason = ""
    async with asyncio.timeout(10):
        await begun.wait()
    assert listener.calls == ["start"]
    running.cancel()
    await asyncio.wait([running])
    await neighbour.server.stop()


async def test_a_neighbour_that_never_comes_is_not_waited_for_longer_than_the_deadline(world: World) -> None:
    world.settings = world.settings.model_copy(update={"neighbour_deadline": timedelta(seconds=0.3)})
    with capture_logs() as logs:
        async with world.running(meets=True, needs=("router", "quota"), listeners=(listener := Sockets(),)) as http:
            assert (await http.get("/readyz")).status_code == 200
            assert listener.calls == ["start"]
    told = {line["neighbour"]: line for line in logs if line["event"] == "started_without_neighbour"}
    assert told.keys() == {"router", "quota"}


async def test_a_broker_that_is_not_there_in_time_is_told(tmp_path: Path, mongo_url: str) -> None:
    (tmp_path / "admin-token").write_text("admin")
    settings = ServiceSettings(
        var_dir=tmp_path, bus_url="amqp://127.0.0.1:9/", mongo_url=mongo_url, start_deadline=timedelta(seconds=0.5)
    )
    with pytest.raises(
        Temporary, match=r"^the bus is not there within 0:00:00\.500000: 127\.0\.0\.1:9: .*Connect call"
    ):
        async with open_shared(settings, ["store"]):
            pytest.fail("it must not open")

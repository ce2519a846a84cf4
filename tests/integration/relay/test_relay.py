"""The relay as a running service: mail goes where it should, is tried again, and is managed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from hashlib import sha256

import pytest

from libs.bus import Event
from libs.envelope import Envelope, Mail, Recipient, new_id, queues
from libs.envelope.model import utc_now
from libs.events import MailParked, MailRelayed
from tests.integration.relay.running import RAW, Start
from tests.servers.sink import Sink
from tests.waiting import eventually


async def test_mail_goes_to_the_next_mx_when_the_first_is_dead(start: Start, sink: Sink) -> None:
    async with start(smtp_port=sink.port) as relay:
        id = await relay.send("a@good.example")
        await relay.wait_for_state(id, "sent")
    taken = sink.to("a@good.example")[0]
    assert taken.mail_from == "jean@example.org"
    assert taken.content.startswith(b"Received: ")
    assert taken.content.endswith(RAW)


async def test_two_recipients_of_a_domain_share_a_transaction(start: Start, sink: Sink) -> None:
    async with start(smtp_port=sink.port) as relay:
        await relay.wait_for_state(await relay.send("b1@plain.example", "b2@plain.example"), "sent")
    assert sink.to("b1@plain.example")[0].recipients == ("b1@plain.example", "b2@plain.example")


@pytest.mark.parametrize(
    ("address", "status"),
    [("a@null.example", b"5.1.10"), ("a@nowhere.example", b"5.1.2")],
)
async def test_a_domain_that_takes_no_mail_is_told_to_the_sender(start: Start, address: str, status: bytes) -> None:
    async with start() as relay:
        await relay.wait_for_state(await relay.send(address), "failed")
        to, report = await relay.wait_for_report()
    assert to == "jean@example.org"
    assert b"Status: " + status in report
    assert b"Subject: bonjour" in report


async def test_a_stranger_is_told_nothing_and_an_operator_finds_a_dead_letter(start: Start) -> None:
    heard: list[MailParked] = []

    async def hear(event: Event) -> None:
        heard.append(MailParked.from_bus(event))

    async with start() as relay:
        await relay.shared.bus.subscribe([MailParked.__name__], hear)
        id = await relay.send("a@null.example", account=None)
        await relay.wait_for_state(id, "failed")
        letter = await relay.dead_letter(id)
        assert (letter["reason"], letter["envelope"]["recipients"][0]["address"]) == (
            "5.1.10 null.example takes no mail", "a@null.example",
        )  # fmt: skip
        assert relay.reports == []
        await eventually(lambda: [fact.recipients for fact in heard] == [["a@null.example"]])


async def test_a_dead_letter_of_a_message_that_failed_may_be_replayed(start: Start, sink: Sink) -> None:
    refusals = iter(["550 5.7.1 not now"])
    sink.refuse = lambda recipient: next(refusals, None) if recipient.startswith("again") else None
    async with start(smtp_port=sink.port) as relay:
        id = await relay.send("again@plain.example", account=None)
        letter = await relay.dead_letter(id)
        assert (await relay.call("POST", f"/v1/dead-letters/{letter['id']}/replay")).is_success
        await relay.wait_for_state(id, "sent")
    assert len(sink.to("again@plain.example")) == 1


async def test_a_recipient_refused_for_now_is_tried_until_taken_and_the_other_is_sent_once(
    start: Start, sink: Sink
) -> None:
    refusals = iter(["450 4.2.0 later", "450 4.2.0 later"])
    sink.refuse = lambda recipient: next(refusals, None) if recipient.startswith("grey") else None
    async with start(smtp_port=sink.port) as relay:
        id = await relay.send("grey@plain.example", "white@plain.example")
        await relay.wait_for_state(id, "sent")
    assert len(sink.to("grey@plain.example")) == 1
    assert len(sink.to("white@plain.example")) == 1


async def test_a_recipient_refused_for_ever_comes_back_with_the_peers_words(start: Start, sink: Sink) -> None:
    sink.refuse = lambda recipient: "550 5.1.1 no such user" if recipient.startswith("gone") else None
    async with start(smtp_port=sink.port) as relay:
        await relay.wait_for_state(await relay.send("gone@plain.example"), "failed")
        _, report = await relay.wait_for_report()
    assert b"no such user" in report
    assert b"Final-Recipient: rfc822; gone@plain.example" in report


async def test_what_the_router_could_not_resolve_comes_back_without_a_connection(start: Start) -> None:
    async with start() as relay:
        id = await relay.send("lost@example.org", failure="the alias leads to itself")
        await relay.wait_for_state(id, "failed")
        assert b"the alias leads to itself" in (await relay.wait_for_report())[1]


async def test_a_message_that_the_broker_gives_twice_is_sent_once(start: Start, sink: Sink) -> None:
    async with start(smtp_port=sink.port) as relay:
        id = await relay.send("twice@plain.example")
        await relay.wait_for_state(id, "sent")
        await relay.shared.outbox.send(queues.RELAY, Mail(relay.envelopes[id], RAW))
        await relay.wait_for_state(await relay.send("after@plain.example"), "sent")
    assert len(sink.to("twice@plain.example")) == 1


async def test_a_dead_server_defers_and_the_queue_is_manageable(
    start: Start, sink: Sink, free_port: Callable[[], int]
) -> None:
    async with start(smtp_port=free_port(), first_retry_delay="PT1H") as relay:
        first, second = await relay.send("c1@plain.example"), await relay.send("c2@plain.example")
        for id in (first, second):
            entry = await relay.wait_for_state(id, "queued", attempts=1)
            assert entry["last_reply"]
        entries = [await relay.entry(id) for id in (first, second)]
        assert (await relay.call("DELETE", f"/v1/queue/{entries[0]['id']}")).status_code == 204
        assert (await relay.call("POST", f"/v1/queue/{entries[1]['id']}/retry")).status_code == 204
        await relay.wait_for_state(first, "cancelled")
        await relay.wait_for_state(second, "queued", attempts=2)
        assert (await relay.call("POST", "/v1/queue/nothing/retry")).status_code == 404


async def test_a_suspended_destination_waits_until_it_is_let_go(start: Start, sink: Sink) -> None:
    async with start(smtp_port=sink.port) as relay:
        await relay.call("PUT", "/v1/destinations/plain.example", json={"suspended": True})
        held = await relay.send("held@plain.example")
        await relay.wait_for_state(await relay.send("free@good.example"), "sent")
        assert (await relay.entry(held))["state"] == "queued"
        listed = (await relay.call("GET", "/v1/destinations")).json()["items"]
        assert {"destination": "plain.example", "waiting": 1, "suspended": True} in listed
        await relay.call("PUT", "/v1/destinations/plain.example", json={"suspended": False})
        await relay.wait_for_state(held, "sent")


async def test_a_large_message_leaves_from_the_blob_store(start: Start, sink: Sink) -> None:
    async with start(smtp_port=sink.port) as relay:
        id = new_id(utc_now())
        raw = b"Subject: gros\r\n\r\n" + b"0123456789abcdef\r\n" * 50_000
        envelope = Envelope(
            id=id, received_at=utc_now(), recipients=(Recipient(address="big@plain.example"),), size_bytes=len(raw),
            sha256=sha256(raw).hexdigest(),
        )  # fmt: skip
        await relay.shared.outbox.send(queues.RELAY, Mail(envelope, raw))
        await relay.wait_for_state(id, "sent")
    assert sink.to("big@plain.example")[0].content.endswith(raw)


async def test_whom_a_user_wrote_to_is_told_once_it_was_taken(start: Start, sink: Sink) -> None:
    heard: list[MailRelayed] = []

    async def hear(event: Event) -> None:
        heard.append(MailRelayed.from_bus(event))

    async with start(smtp_port=sink.port) as relay:
        await relay.shared.bus.subscribe([MailRelayed.__name__], hear)
        await relay.wait_for_state(await relay.send("f@null.example"), "failed")
        await relay.wait_for_state(await relay.send("g@good.example", account=None), "sent")
        id = await relay.send("e@good.example")
        await relay.wait_for_state(id, "sent")
        async with asyncio.timeout(30):
            while not heard:
                await asyncio.sleep(0.01)
    assert heard == [MailRelayed(id=id, account="jean@example.org", recipients=["e@good.example"])]

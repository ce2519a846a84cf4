"""How messages end, and who hears of it: the whole service between a bus, a database, DNS and other servers."""

from __future__ import annotations

import asyncio
from hashlib import sha256

import pytest

from libs.blobs import Blobs
from libs.envelope import Envelope, Mail, Peer, Recipient, Verdict, encode, new_id, queues
from libs.envelope.model import utc_now
from tests.integration.relay.running import RAW, Start
from tests.servers.hostile_smtp import SILENCE, HostileServer
from tests.servers.sink import Sink
from tests.waiting import eventually

REFUSED = {"RCPT": b"550 5.1.1 Empf\xe4nger unbekannt\r\n"}


async def test_a_refused_message_is_sent_once_however_long_its_notification_waits(start: Start) -> None:
    async with HostileServer(REFUSED) as server, start(smtp_port=server.port) as relay:
        relay.ingress_is_away = True
        id = await relay.send("a@plain.example")
        await relay.wait_for_state(id, "failed")
        await relay.try_reports_until(lambda: relay.report_tries >= 3)
        relay.ingress_is_away = False
        await relay.try_reports_until(lambda: bool(relay.reports))
        assert server.count("RCPT") == 1
    to, report = relay.reports[0]
    assert to == "jean@example.org"
    assert b"Status: 5.1.1" in report


async def test_a_notification_that_nobody_takes_leaves_a_dead_letter(start: Start) -> None:
    async with HostileServer(REFUSED) as server, start(smtp_port=server.port) as relay:
        relay.ingress_refuses = True
        id = await relay.send("a@plain.example")
        letter = await relay.dead_letter(id)
        assert "550 5.1.1" in letter["reason"]
        assert "sender could not be told" in letter["reason"]
        await relay.wait_for_state(id, "failed")


@pytest.mark.parametrize(
    ("notify", "is_heard"), [(("SUCCESS",), True), (("SUCCESS", "FAILURE"), True), (("FAILURE",), False), ((), False)]
)
async def test_a_success_is_told_to_who_asked_when_the_server_tells_nobody(
    start: Start, sink: Sink, notify: tuple[str, ...], is_heard: bool
) -> None:
    async with start(smtp_port=sink.port) as relay:
        await relay.wait_for_state(await relay.send("s@plain.example", notify=notify), "sent")
        await relay.wait_for_state(await relay.send("s@null.example"), "failed")
        await eventually(lambda: any(b"5.1.10" in report for _, report in relay.reports))
        successes = [report for _, report in relay.reports if b"Action: relayed" in report]
        assert bool(successes) == is_heard
        assert all(b"Status: 2.0.0" in report and b"s@plain.example" in report for report in successes)


async def test_a_server_that_reports_by_itself_gets_the_wish_and_nobody_else_reports(start: Start) -> None:
    async with HostileServer({"EHLO": b"250-x\r\n250 DSN\r\n"}) as server, start(smtp_port=server.port) as relay:
        await relay.wait_for_state(await relay.send("s@plain.example", notify=("SUCCESS",)), "sent")
        await relay.wait_for_state(await relay.send("s@null.example"), "failed")
        await relay.wait_for_report()
        assert len(relay.reports) == 1
        assert "RCPT TO:<s@plain.example> NOTIFY=SUCCESS" in server.commands


@pytest.mark.parametrize(("ret", "is_whole"), [("FULL", True), ("HDRS", False), ("", False)])
async def test_a_failed_message_goes_back_whole_where_that_was_asked_for(
    start: Start, ret: str, is_whole: bool
) -> None:
    async with start() as relay:
        await relay.send("a@null.example", orcpt="rfc822;é+a@null.example", envelope={"ret": ret, "envid": "a b"})
        _, report = await relay.wait_for_report()
    assert (b"Content-Type: message/rfc822\r\n" in report and RAW in report) == is_whole
    assert (b"text/rfc822-headers" in report) != is_whole
    assert b"Original-Envelope-Id: a b\r\n" in report
    assert b"Original-Recipient: utf-8; \\x{E9}\\x{2B}a@null.example\r\n" in report


async def test_the_owner_of_a_forward_hears_that_its_target_refused(start: Start) -> None:
    async with HostileServer(REFUSED) as server, start(smtp_port=server.port) as relay:
        forwarded = {"original": "marie@example.org", "domain": "example.org", "account": "marie@example.org"}
        id = await relay.send("marie@plain.example", account=None, forwarded=forwarded)
        to, notice = await relay.wait_for_report()
        await relay.wait_for_state(id, "failed")
        assert (await relay.call("GET", "/v1/dead-letters")).json()["items"] == []
    assert to == "marie@example.org"
    assert b"Subject: A forwarded message was not taken" in notice
    assert b"marie@plain.example: 550 5.1.1" in notice


async def test_spam_that_a_target_refuses_is_a_dead_letter_and_no_notice(start: Start) -> None:
    verdicts = {"example.org": Verdict(spam=True, score=9, required=5, action="tag", subject_prefix="[SPAM]")}
    async with HostileServer(REFUSED) as server, start(smtp_port=server.port) as relay:
        forwarded = {"original": "marie@example.org", "domain": "example.org", "account": "marie@example.org"}
        id = await relay.send("marie@plain.example", account=None, envelope={"verdicts": verdicts}, forwarded=forwarded)
        await relay.dead_letter(id)
        assert relay.reports == []


async def test_a_host_in_our_relay_networks_hears_of_a_failure(start: Start) -> None:
    async with start() as relay:
        await relay.send("a@null.example", envelope={"peer": Peer(relays=True)})
        to, _ = await relay.wait_for_report()
    assert to == "jean@example.org"


async def test_a_message_whose_bytes_are_lost_fails_and_its_sender_hears(start: Start, sink: Sink) -> None:
    async with start(smtp_port=sink.port) as relay:
        id = new_id(utc_now())
        envelope = Envelope(
            id=id, received_at=utc_now(), mail_from="jean@example.org", peer=Peer(account="jean@example.org"),
            recipients=(Recipient(address="a@plain.example"),), size_bytes=300_000, sha256=sha256(b"").hexdigest(),
            blob="no-such-blob", verdicts={},
        )  # fmt: skip
        await relay.shared.bus.publish(queues.RELAY, encode(Mail(envelope, None)))
        await relay.wait_for_state(id, "failed")
        _, report = await relay.wait_for_report()
    assert b"Status: 5.3.0" in report


async def test_a_message_that_is_held_for_weeks_keeps_its_bytes(start: Start, sink: Sink) -> None:
    """The collector of blobs takes what nobody has touched for two weeks."""
    async with start(smtp_port=sink.port) as relay:
        await relay.call("PUT", "/v1/destinations/plain.example", json={"suspended": True})
        raw = b"Subject: gros\r\n\r\n" + b"0123456789abcdef\r\n" * 20_000
        id = await relay.send("held@plain.example", raw=raw)
        await relay.wait_for_state(id, "queued")
        started = utc_now()
        blobs: Blobs = relay.shared.blobs
        await relay.look_through()
        assert await blobs.collect(started) == 0
        await relay.call("PUT", "/v1/destinations/plain.example", json={"suspended": False})
        await relay.wait_for_state(id, "sent")


async def test_the_limit_of_a_site_holds_in_a_burst_and_over_its_domains(start: Start) -> None:
    async with HostileServer(pause=0.01) as server, start(smtp_port=server.port, connections_per_mx_group=3) as relay:
        sent = [await relay.send(f"r{n}@{domain}") for n in range(30) for domain in ("one.example", "two.example")]
        for id in sent:
            await relay.wait_for_state(id, "sent", deadline=60)
        assert 1 < server.most_open <= 3


async def test_a_silent_server_holds_up_nobody_else(start: Start, sink: Sink) -> None:
    silent = HostileServer({"EHLO": SILENCE}, host="127.0.0.9", port=sink.port)
    async with silent, start(smtp_port=sink.port, drain_deadline="PT0.2S") as relay:
        for n in range(20):
            await relay.send(f"r{n}@tarpit.example")
        await eventually(lambda: silent.open_now >= 1)
        await relay.wait_for_state(await relay.send("a@plain.example"), "sent")


async def test_at_sigterm_what_was_not_sent_is_given_back_at_once(start: Start, sink: Sink) -> None:
    silent = HostileServer({"DOT": SILENCE}, host="127.0.0.9", port=sink.port)
    async with silent, start(smtp_port=sink.port, drain_deadline="PT0.2S") as relay:
        for n in range(3):
            await relay.send(f"r{n}@tarpit.example")
        await eventually(lambda: len(silent.messages) >= 1)
        await relay.stop()
        # Others may go on with them now, and not when a lease is over.
        assert set(await relay.states()) == {"queued"}


async def test_nothing_begins_once_the_end_has_begun(start: Start, sink: Sink) -> None:
    async with start(smtp_port=sink.port, poll_period="PT0.001S") as relay:
        before = len(sink.taken)
        sending = [asyncio.create_task(relay.send(f"late{n}@plain.example")) for n in range(20)]
        await asyncio.gather(*sending)
        await relay.stop()
        taken = len(sink.taken)
        states = await relay.states()
        assert len(sink.taken) == taken
        assert states.count("sent") == taken - before
        assert states.count("sending") == 0


async def test_destinations_have_one_name_and_those_that_are_none_are_not_found(start: Start) -> None:
    async with start() as relay:
        for name, status in (("münchen.test", 200), ("%00", 422), ("a..b", 422)):
            answer = await relay.call("PUT", f"/v1/destinations/{name}", json={"suspended": True})
            assert answer.status_code == status, name
        assert (await relay.call("PUT", "/v1/destinations/x.example", json={"suspended": 1})).status_code == 422
        for name in ("xn--mnchen-3ya.test", "MÜNCHEN.test"):
            assert (await relay.call("GET", f"/v1/destinations/{name}")).json() == {
                "destination": "xn--mnchen-3ya.test", "waiting": 0, "suspended": True,
            }  # fmt: skip
        id = await relay.send("a@xn--mnchen-3ya.test")
        await relay.wait_for_state(id, "queued")
        listed = await relay.call("GET", "/v1/queue?destination=münchen.test")
        assert [entry["message_id"] for entry in listed.json()["items"]] == [id]
        let_go = {"suspended": False}
        assert (await relay.call("PUT", "/v1/destinations/xn--mnchen-3ya.test", json=let_go)).status_code == 200
        assert (await relay.call("PUT", "/v1/destinations/never.example", json=let_go)).status_code == 404
        assert (await relay.call("GET", "/v1/destinations/never.example")).status_code == 404


async def test_an_entry_is_managed_whatever_its_address_has_in_it(start: Start, free_port) -> None:  # type: ignore[no-untyped-def]
    async with start(smtp_port=free_port(), first_retry_delay="PT1H") as relay:
        id = await relay.send("a/b%2f?c@plain.example")
        entry = await relay.wait_for_state(id, "queued", attempts=1)
        path = f"/v1/queue/{id}:a%2Fb%252f%3Fc@plain.example"
        assert entry["id"] == f"{id}:a/b%2f?c@plain.example"
        assert (await relay.call("POST", f"{path}/retry")).status_code == 204
        await relay.wait_for_state(id, "queued", attempts=2)
        assert (await relay.call("DELETE", path)).status_code == 204
        await relay.wait_for_state(id, "cancelled")

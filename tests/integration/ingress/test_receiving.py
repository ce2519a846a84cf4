"""Mail comes in by SMTP and is durable on the bus before the peer hears 250."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from libs.events import QuotaChanged, RoutesChanged

Eventually = Callable[..., Awaitable[None]]

JEAN = "jean.toto@example.org"


async def test_a_message_is_on_the_bus_when_the_peer_hears_250(
    ingress: Any, specimen: bytes, eventually: Eventually
) -> None:
    peer = await ingress.mx()
    await peer.envelope(JEAN, "info@example.org")
    reply = await peer.data(specimen)
    await eventually(lambda: len(ingress.received) == 1)
    envelope = ingress.received[0].envelope
    assert reply == f"250 2.6.0 Message accepted as {envelope.id}"
    assert ingress.received[0].raw == specimen
    assert (envelope.listener, envelope.mail_from) == ("mx", "someone@example.net")
    assert [(r.address, r.domain) for r in envelope.recipients] == [
        (JEAN, "example.org"),
        ("info@example.org", "example.org"),
    ]
    assert envelope.sha256 == hashlib.sha256(specimen).hexdigest()
    assert envelope.size_bytes == len(specimen)
    peer_seen = envelope.peer
    assert (peer_seen.address, peer_seen.helo, peer_seen.protocol) == ("127.0.0.1", "client.example.net", "ESMTP")
    assert ingress.metric("facteur_ingress_accepted_messages_total", listener="mx") == 1
    assert ingress.metric("facteur_ingress_accepted_bytes_total", listener="mx") == len(specimen)
    await peer.say("QUIT", expect="221 2.0.0")
    assert await peer.is_closed()


async def test_ehlo_offers_what_is_carried_out(ingress: Any) -> None:
    peer = await ingress.connect()
    lines = (await peer.say("EHLO client.example.net", expect=250)).splitlines()
    assert lines[0] == "250-localhost"
    assert {line[4:] for line in lines[1:]} == {
        *("PIPELINING", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES", "DSN", "CHUNKING"),
        *("SIZE 20971520", "STARTTLS"),
    }
    assert all(line[3] == "-" for line in lines[:-1])
    assert lines[-1][3] == " "


@pytest.mark.parametrize(
    ("greeting", "tls", "utf8", "protocol"),
    [
        ("HELO", False, False, "SMTP"),
        ("EHLO", False, False, "ESMTP"),
        ("EHLO", True, False, "ESMTPS"),
        ("EHLO", True, True, "UTF8SMTPS"),
    ],
)
async def test_the_envelope_says_how_the_message_came(
    ingress: Any, eventually: Eventually, greeting: str, tls: bool, utf8: bool, protocol: str
) -> None:
    peer = await ingress.connect()
    await peer.say(f"{greeting} client.example.net", expect=250)
    if tls:
        await peer.start_tls()
        await peer.say(f"{greeting} client.example.net", expect=250)
    await peer.say(f"MAIL FROM:<someone@example.net>{' SMTPUTF8' if utf8 else ''}", expect=250)
    await peer.say(f"RCPT TO:<{JEAN}>", expect=250)
    await peer.data("Subject: Été\r\n\r\nx\r\n".encode())
    await eventually(lambda: len(ingress.received) == 1)
    envelope = ingress.received[0].envelope
    assert (envelope.peer.protocol, envelope.smtputf8) == (protocol, utf8)
    assert (envelope.peer.tls.version if envelope.peer.tls else None) == ("TLSv1.3" if tls else None)
    assert envelope.peer.tls is None or envelope.peer.tls.cipher.startswith("TLS_")


async def test_an_authenticated_user_sends_anywhere(ingress: Any, eventually: Eventually, neighbours: Any) -> None:
    peer = await ingress.user()
    await peer.envelope("Someone@Example.COM", "marie.dupont@example.org", sender=JEAN)
    await peer.data(f"From: {JEAN}\r\nSubject: x\r\n\r\nx\r\n".encode())
    await eventually(lambda: len(ingress.received) == 1)
    envelope = ingress.received[0].envelope
    assert (envelope.listener, envelope.peer.account, envelope.peer.protocol) == ("submissions", JEAN, "ESMTPSA")
    assert [(r.address, r.domain) for r in envelope.recipients] == [
        ("Someone@example.com", ""),
        ("marie.dupont@example.org", "example.org"),
    ]
    assert neighbours.sends == [{"key": JEAN, "class": "external", "recipients": 2}]


async def test_wishes_for_notifications_travel_in_the_envelope(ingress: Any, eventually: Eventually) -> None:
    peer = await ingress.mx()
    await peer.say("MAIL FROM:<someone@example.net> RET=HDRS ENVID=QQ+3D314159", expect=250)
    await peer.say(f"RCPT TO:<{JEAN}> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;J+2BT@example.org", expect=250)
    await peer.say("RCPT TO:<marie.dupont@example.org> NOTIFY=NEVER", expect=250)
    await peer.data(b"Subject: x\r\n\r\nx\r\n")
    await eventually(lambda: len(ingress.received) == 1)
    envelope = ingress.received[0].envelope
    assert (envelope.ret, envelope.envid) == ("HDRS", "QQ=314159")
    assert [(r.notify, r.orcpt) for r in envelope.recipients] == [
        (("SUCCESS", "FAILURE"), "rfc822;J+T@example.org"),
        (("NEVER",), ""),
    ]


async def test_addresses_beyond_ascii_go_with_smtputf8(start: Any, neighbours: Any, eventually: Eventually) -> None:
    neighbours.add_account("jérôme@example.org")
    ingress = await start()
    peer = await ingress.mx()
    await peer.say("MAIL FROM:<rené@exämple.net> SMTPUTF8", expect=250)
    await peer.say("RCPT TO:<JÉRÔME@example.org>", expect=250)
    await peer.data("Subject: Été\r\n\r\nx\r\n".encode())
    await eventually(lambda: len(ingress.received) == 1)
    envelope = ingress.received[0].envelope
    assert (envelope.mail_from, envelope.smtputf8) == ("rené@xn--exmple-cua.net", True)
    assert envelope.recipients[0].address == "jérôme@example.org"


# Chunks (RFC 3030)


async def test_a_message_in_chunks_arrives_as_it_was_sent(ingress: Any, eventually: Eventually) -> None:
    peer = await ingress.mx()
    await peer.envelope()
    await peer.send(b"BDAT 15\r\nSubject: x\r\n\r\n.")
    await peer.send(b"BDAT 2\r\n\r\nBDAT 6\r\n..\r\n.\rBDAT 1 LAST\r\n\n")
    replies = [await peer.reply() for _ in range(4)]
    assert [reply[:3] for reply in replies] == ["250"] * 4
    await eventually(lambda: len(ingress.received) == 1)
    assert ingress.received[0].raw == b"Subject: x\r\n\r\n.\r\n..\r\n.\r\n"
    await peer.envelope()
    await peer.say("BDAT 0 LAST", expect="250 2.6.0")
    await eventually(lambda: len(ingress.received) == 2)


async def test_a_whole_pipelined_transaction_in_chunks(ingress: Any, specimen: bytes, eventually: Eventually) -> None:
    peer = await ingress.mx()
    head = f"MAIL FROM:<a@example.net>\r\nRCPT TO:<{JEAN}>\r\nBDAT {len(specimen)} LAST\r\n".encode()
    await peer.send((head + specimen) * 2)
    assert [(await peer.reply())[:3] for _ in range(6)] == ["250"] * 6
    await eventually(lambda: len(ingress.received) == 2)


async def test_chunks_in_the_wrong_order_are_read_and_refused(ingress: Any) -> None:
    peer = await ingress.mx()
    await peer.say(b"BDAT 6\r\nNOOP", expect="503 5.5.1")
    await peer.say("MAIL FROM:<someone@example.net>", expect=250)
    await peer.say(b"BDAT 6 LAST\r\nQUIT", expect="554 5.5.1")
    await peer.say(f"RCPT TO:<{JEAN}>", expect=250)
    await peer.say(b"BDAT 3\r\na", expect=250)
    await peer.say("DATA", expect="503 5.5.1")
    await peer.say(f"RCPT TO:<{JEAN}>", expect="503 5.5.1")
    await peer.say("MAIL FROM:<someone@example.net>", expect="503 5.5.1")
    await peer.say("BDAT 5\r\na\nb", expect="550 5.6.0")
    await peer.say(b"BDAT 6 LAST\r\nQUIT", expect="503 5.5.1")
    await peer.say("RSET", expect=250)
    await peer.envelope()
    await peer.say("BDAT x", expect="501 5.5.4")
    assert await peer.is_closed()


async def test_chunks_are_limited_in_sum_and_alone(start: Any) -> None:
    ingress = await start(max_message_bytes=1000, largest_message_bytes=1000)
    peer = await ingress.mx()
    await peer.envelope()
    await peer.say(b"BDAT 602\r\n" + b"x" * 600, expect=250)
    await peer.say(b"BDAT 602\r\n" + b"x" * 600, expect="552 5.3.4")
    await peer.say("RSET", expect=250)
    await peer.envelope()
    await peer.say("BDAT 2001 LAST", expect="552 5.3.4")
    assert await peer.is_closed()


# Neighbours that are away


async def test_a_bus_that_does_not_take_the_message_means_451_and_nothing_kept(
    start: Any, tmp_path: Any, eventually: Eventually
) -> None:
    ingress = await start()
    large = b"Subject: large\r\n\r\n" + b"x" * 70 + b"\r\n"
    large += (b"y" * 70 + b"\r\n") * 6000
    early, late = await ingress.mx(), await ingress.mx()
    await early.envelope()
    await late.envelope()
    await ingress.shared.bus.close()
    await early.data(large, expect="451 4.3.0")
    await late.say("RSET", expect=250)
    await late.say("MAIL FROM:<someone@example.net>", expect="451 4.3.0")
    assert (
        list((tmp_path / "blobs").rglob("*.part")) + [p for p in (tmp_path / "blobs").rglob("*") if p.is_file()] == []
    )


async def test_a_router_that_is_away_means_451(ingress: Any, neighbours: Any) -> None:
    peer = await ingress.mx()
    await peer.envelope()
    await peer.say("RSET", expect=250)
    neighbours.away.add("router")
    await peer.say("MAIL FROM:<someone@example.net>", expect=250)
    await peer.say(f"RCPT TO:<{JEAN}>", expect=250)
    await peer.say("RCPT TO:<marie.dupont@example.org>", expect="451 4.4.3")


async def test_a_quota_service_that_is_away_stops_sending_and_nothing_else(
    ingress: Any, neighbours: Any, specimen: bytes
) -> None:
    neighbours.away.add("quota")
    stranger = await ingress.mx()
    await stranger.envelope()
    await stranger.data(specimen)
    user = await ingress.user()
    await user.envelope("someone@example.com", sender=JEAN)
    await user.say("DATA", expect="451 4.7.1")


async def test_sending_may_go_on_without_the_quota_service(start: Any, neighbours: Any) -> None:
    neighbours.away.add("quota")
    ingress = await start(send_without_quota=True)
    user = await ingress.user()
    await user.envelope("someone@example.com", sender=JEAN)
    await user.data(f"From: {JEAN}\r\n\r\nx\r\n".encode())


# What they say


async def test_a_full_mailbox_is_told_at_rcpt_until_it_has_room_again(
    ingress: Any, neighbours: Any, eventually: Eventually
) -> None:
    neighbours.usage[JEAN] = (1000, 1000)
    neighbours.usage["marie.dupont@example.org"] = (0, 1000)
    peer = await ingress.mx()
    await peer.say("MAIL FROM:<someone@example.net> SIZE=2000", expect=250)
    refusal = await peer.say(f"RCPT TO:<{JEAN}>")
    assert refusal == "452 4.2.2 temporary failure: user overquota"
    await peer.say("RCPT TO:<marie.dupont@example.org>", expect="452 4.2.2")
    neighbours.usage[JEAN] = (1000, 1_000_000)
    await ingress.shared.bus.emit(QuotaChanged(address=JEAN).to_bus())
    async with asyncio.timeout(10):
        while not (await peer.say(f"RCPT TO:<{JEAN}>")).startswith("250"):
            await asyncio.sleep(0.01)


async def test_a_send_limit_is_told_with_the_time_to_try_again(ingress: Any, neighbours: Any) -> None:
    retry_at = datetime(2026, 12, 1, 12, 30, tzinfo=UTC).isoformat()
    neighbours.allowance.update(allowed=False, retry_at=retry_at, reason="100 messages an hour")
    peer = await ingress.user()
    await peer.envelope("someone@example.com", sender=JEAN)
    assert "try again after 2026-12-01T12:30:00Z" in await peer.say("DATA", expect="450 4.7.1")
    neighbours.allowance.update(retry_at=None, reason="at most 50 recipients a message")
    assert "at most 50 recipients" in await peer.say("DATA", expect="450 4.7.1")


async def test_many_sessions_ask_the_router_once_and_hear_of_changes(
    ingress: Any, neighbours: Any, eventually: Eventually
) -> None:
    neighbours.slow = 0.1
    peers = [await ingress.mx() for _ in range(20)]
    await asyncio.gather(*(peer.envelope() for peer in peers))
    assert neighbours.asked[f"/v1/recipients/{JEAN}"] == 1
    neighbours.slow = 0.0
    await peers[0].say("RCPT TO:<new@example.org>", expect="550 5.1.1")
    neighbours.add_account("new@example.org")
    await peers[0].say("RCPT TO:<new@example.org>", expect="550 5.1.1")
    await ingress.shared.bus.emit(RoutesChanged(address="new@example.org").to_bus())
    async with asyncio.timeout(10):
        while not (await peers[0].say("RCPT TO:<new@example.org>")).startswith("250"):
            await asyncio.sleep(0.01)


async def test_an_address_that_leads_in_a_circle_says_so(ingress: Any, neighbours: Any) -> None:
    neighbours.recipients["loop@example.org"] = {
        "status": "unknown",
        "domain": "example.org",
        "reason": "5.4.6 mail loop: loop@example.org",
    }
    peer = await ingress.mx()
    await peer.say("MAIL FROM:<someone@example.net>", expect=250)
    await peer.say("RCPT TO:<loop@example.org>", expect="550 5.4.6 mail loop")


# Load


async def test_more_than_fits_is_told_to_come_again(start: Any, specimen: bytes) -> None:
    ingress = await start(max_incoming_bytes=10_000, max_incoming_messages=2, max_incoming_share_per_peer=1)
    first, second, third = [await ingress.mx() for _ in range(3)]
    await first.say("MAIL FROM:<someone@example.net> SIZE=20000", expect="452 4.3.1")
    for peer in (first, second, third):
        await peer.envelope()
    await first.say("DATA", expect=354)
    await second.say("DATA", expect=354)
    await third.say("DATA", expect="452 4.3.1")
    await first.send(b"x" * 70 + b"\r\n")
    await first.say((b"x" * 70 + b"\r\n") * 200 + b".", expect="452 4.3.1")
    await third.data(specimen)
    await second.say(specimen.replace(b"\r\n.", b"\r\n..") + b".", expect=250)

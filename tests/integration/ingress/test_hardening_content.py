"""Attack inputs, rows 26, 27, 30 and 47 to 51: messages that are too large, too long, too strange, or come twice."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

Eventually = Callable[..., Awaitable[None]]

MB = 1024 * 1024


async def test_a_message_over_the_limit_is_refused_after_its_end_in_flat_memory(ingress: Any, specimen: bytes) -> None:
    peer = await ingress.mx()
    await peer.envelope()
    await peer.say("DATA", expect=354)
    before = _resident_bytes()
    line = b"x" * 62 + b"\r\n"
    for _ in range(60):
        await peer.send(line * 16384)
    await peer.say(b".", expect="552 5.3.4")
    assert _resident_bytes() - before < 60 * MB
    await peer.envelope()
    await peer.data(specimen)


async def test_a_message_that_never_ends_is_cut_off(start: Any) -> None:
    ingress = await start(max_message_bytes=MB, largest_message_bytes=MB)
    peer = await ingress.mx()
    await peer.envelope()
    await peer.say("DATA", expect=354)
    for _ in range(80):
        try:
            await peer.send((b"x" * 62 + b"\r\n") * 4096)
        except ConnectionError:
            break
    assert (await peer.reply())[:9] in ("552 5.3.4", "")
    assert await peer.is_closed()


@pytest.mark.parametrize("octets", [20 * MB, 19_000_000])
async def test_a_message_of_the_limit_arrives_whole(ingress: Any, eventually: Eventually, octets: int) -> None:
    head = b"Subject: large\r\n\r\n"
    body = (b"." + b"y" * 75 + b"\r\n") * (octets // 78)
    message = (head + body)[: octets - 2] + b"\r\n"
    peer = await ingress.mx()
    await peer.say(f"MAIL FROM:<someone@example.net> SIZE={len(message)}", expect=250)
    await peer.say("RCPT TO:<jean.toto@example.org>", expect=250)
    await peer.data(message)
    await eventually(lambda: len(ingress.received) == 1)
    assert (ingress.received[0].envelope.blob or "").startswith(ingress.received[0].envelope.id)
    assert ingress.received[0].raw == message


async def test_a_domain_may_take_less_than_the_others(ingress: Any, neighbours: Any) -> None:
    neighbours.add_account("small@example.org", max_size_bytes=1000)
    peer = await ingress.mx()
    await peer.say("MAIL FROM:<someone@example.net> SIZE=2000", expect=250)
    await peer.say("RCPT TO:<small@example.org>", expect="552 5.3.4")
    await peer.say("RCPT TO:<jean.toto@example.org>", expect=250)
    await peer.say("RSET", expect=250)
    await peer.envelope("small@example.org")
    await peer.data(b"Subject: x\r\n\r\n" + b"x\r\n" * 400, expect="552 5.3.4")


async def test_lines_of_some_thousand_octets_are_taken_and_longer_ones_refused_never_cut(
    ingress: Any, eventually: Eventually
) -> None:
    peer = await ingress.mx()
    head = b"Subject: x\r\n\r\n"
    for octets, reply in (
        (998, "250"),
        (999, "250"),
        (1500, "250"),
        (16384, "250"),
        (16385, "500 5.6.0"),
        (MB, "500 5.6.0"),
    ):
        for line in (b"x" * octets, b"y\r\n" + b"x" * octets + b"\r\nz"):
            await peer.envelope()
            await peer.data(head + line + b"\r\n", expect=reply)
    # The dot that was doubled on the way does not count (RFC 5321 4.5.3.1.6).
    await peer.envelope()
    await peer.data(head + b"." + b"x" * 16383 + b"\r\n")
    await eventually(lambda: len(ingress.received) == 9)
    assert ingress.received[0].raw == head + b"x" * 998 + b"\r\n"


@pytest.mark.parametrize(("hops", "reply"), [(51, "250"), (100, "250"), (101, "554 5.4.6"), (999, "554 5.4.6")])
async def test_a_mail_loop_is_stopped(ingress: Any, hops: int, reply: str) -> None:
    peer = await ingress.mx()
    await peer.envelope()
    await peer.data(b"Received: from a by b; x\r\n" * hops + b"Subject: x\r\n\r\nx\r\n", expect=reply)


ODD = {
    "header block of 10 MB": (b"X-Pad: " + b"x" * 900 + b"\r\n") * 11_000 + b"\r\nx\r\n",
    "100,000 headers": b"X: y\r\n" * 100_000 + b"\r\nx\r\n",
    "1,001 headers": b"X: y\r\n" * 1001 + b"\r\nx\r\n",
    "one folded header of 1 MB": b"Subject: x" + b"\r\n " + (b"x" * 70 + b"\r\n ") * 14_000 + b"\r\n\r\nx\r\n",
}
ODD_BUT_FINE = {
    "empty": b"",
    "no blank line": b"Subject: x\r\nText without a blank line before it\r\n",
    "header without colon": b"Subject: x\r\nthis is no header\r\n\r\nx\r\n",
    "only headers": b"Subject: x\r\nFrom: a@example.net\r\n",
    "only a blank line": b"\r\n",
    "a lone dot": b".\r\n",
    "raw 8-bit header": b"Subject: \xff\xfe\r\n\r\nx\r\n",
}


async def test_header_blocks_that_are_too_large_are_refused(ingress: Any) -> None:
    peer = await ingress.mx()
    for name, message in ODD.items():
        await peer.envelope()
        reply = await peer.data(message, expect=5)
        assert reply[:9] == "554 5.6.0", name
    assert ingress.received == []


async def test_odd_messages_are_taken_as_they_are(ingress: Any, eventually: Eventually) -> None:
    peer = await ingress.mx()
    for message in ODD_BUT_FINE.values():
        await peer.envelope()
        await peer.data(message)
    await eventually(lambda: len(ingress.received) == len(ODD_BUT_FINE))
    assert [mail.raw for mail in ingress.received] == list(ODD_BUT_FINE.values())


@pytest.mark.parametrize(
    ("header", "reply"),
    [
        (b"From: a@example.net\r\nFrom: b@example.com\r\n", "550 5.7.1"),
        (b"From: a@example.net\r\nSubject: x\r\nSubject: y\r\n", "550 5.7.1"),
        (b"From: a@example.net\r\nDate: x\r\nDATE: y\r\n", "550 5.7.1"),
        (b"From: a@example.net, b@example.com\r\n", "550 5.7.1"),
        (b"From: a@example.net, b@example.net\r\n", "250"),
        (b"From: a@example.net\r\nTo: x@y\r\nTo: y@z\r\n", "250"),
    ],
)
async def test_headers_that_readers_could_read_in_two_ways_are_refused(ingress: Any, header: bytes, reply: str) -> None:
    peer = await ingress.mx()
    await peer.envelope()
    await peer.data(header + b"\r\nx\r\n", expect=reply)


async def test_a_retry_of_a_message_whose_250_was_not_heard_makes_no_second_copy(
    ingress: Any, specimen: bytes, eventually: Eventually
) -> None:
    first = await ingress.mx()
    await first.envelope()
    await first.say("DATA", expect=354)
    await first.send(specimen.replace(b"\r\n.", b"\r\n..") + b".\r\n")
    first.writer.transport.abort()
    await eventually(lambda: len(ingress.received) == 1)
    await eventually(lambda: ingress.metric("facteur_ingress_open_sessions", listener="mx") == 0)
    retry = await ingress.mx()
    await retry.envelope()
    assert (await retry.data(specimen)).endswith(f"accepted as {ingress.received[0].envelope.id}")
    # Other octets, another recipient: another message.
    await retry.envelope()
    await retry.data(specimen + b"more\r\n")
    await retry.envelope("marie.dupont@example.org")
    await retry.data(specimen)
    await eventually(lambda: len(ingress.received) == 3)


async def test_the_same_message_sent_twice_on_purpose_arrives_twice(
    ingress: Any, specimen: bytes, eventually: Eventually
) -> None:
    for _ in range(2):
        peer = await ingress.mx()
        for _ in range(2):
            await peer.envelope()
            await peer.data(specimen)
        await peer.say("QUIT", expect=221)
    await eventually(lambda: len(ingress.received) == 4)
    assert len({mail.envelope.id for mail in ingress.received}) == 4


async def test_a_message_that_is_cut_off_before_its_end_is_discarded(ingress: Any, eventually: Eventually) -> None:
    peer = await ingress.mx()
    await peer.envelope()
    await peer.say("DATA", expect=354)
    await peer.send(b"Subject: half\r\n\r\nand\r\n.")
    await peer.close()
    await eventually(lambda: ingress.metric("facteur_ingress_open_sessions", listener="mx") == 0)
    await asyncio.sleep(0)
    assert ingress.received == []


def _resident_bytes() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

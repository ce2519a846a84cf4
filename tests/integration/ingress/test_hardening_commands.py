"""Attack inputs, rows 29 to 35 and 40 to 45: commands that are too long, too strange, too many, too slow."""

from __future__ import annotations

import asyncio
import os
from datetime import timedelta
from typing import Any

import pytest

LONG_LOCAL = "a" * 250
LONG_DOMAIN = ".".join(["a" * 60] * 5)


@pytest.mark.parametrize(
    "octets",
    [b"NOOP " + b"x" * 506 + b"\r\n", b"NOOP " + b"x" * 10_000 + b"\r\n", b"NOOP " + b"x" * 600, b"x" * 10_000],
    ids=["513", "10 kB", "600 without an end", "10 kB without an end"],
)
async def test_a_command_line_over_512_octets_is_refused_and_the_session_closed(ingress: Any, octets: bytes) -> None:
    peer = await ingress.mx()
    await peer.send(octets)
    assert (await peer.reply()).startswith("500 5.5.6")
    assert await peer.is_closed()


async def test_a_command_line_of_512_octets_is_taken(ingress: Any) -> None:
    peer = await ingress.mx()
    await peer.say(b"NOOP " + b"x" * 505, expect=250)


async def test_a_hundred_megabytes_without_a_line_end_cost_no_memory(ingress: Any) -> None:
    peer = await ingress.mx()
    before = _resident_bytes()
    for _ in range(1600):
        try:
            await peer.send(b"x" * 65536)
        except ConnectionError:
            break
    assert (await peer.reply()).startswith("500 5.5.6")
    assert await peer.is_closed()
    assert _resident_bytes() - before < 20 * 1024 * 1024


WRONG: list[tuple[str | bytes, str]] = [
    (f"MAIL FROM:<{LONG_LOCAL}@example.net>", "553 5.1.7"),
    (f"MAIL FROM:<a@{LONG_DOMAIN}>", "553 5.1.7"),
    (f"RCPT TO:<{LONG_LOCAL}@example.org>", "553 5.1.3"),
    (f"RCPT TO:<{'a' * 60}@{LONG_DOMAIN}>", "553 5.1.3"),
    (f"RCPT TO:<{'a' * 200}@{'b' * 57}>", "553 5.1.3"),
    ("RCPT TO:<jean.toto>", "553 5.1.3"),
    ("RCPT TO:<>", "501 5.1.3"),
    ("RCPT TO:", "501 5.5.4"),
    ("RCPT TO:jean.toto@example.org>", "501 5.5.4"),
    ("RCPT TO:jean toto@example.org", "501 5.5.4"),
    ("RCPT TO:a@example.org,b@example.org", "553 5.1.3"),
    ("RCPT TO:<<jean.toto@example.org>>", "501 5.5.4"),
    ("RCPT TO:<jean.toto@example.org> <marie.dupont@example.org>", "501 5.5.4"),
    ("RCPT TO:<jean.toto\t@example.org>", "501 5.5.2"),
    ("RCPT TO:\vjean.toto@example.org", "501 5.5.2"),
    ("RCPT TO:<jean@example.org", "501 5.5.4"),
    ("RCPT FROM:<jean@example.org>", "501 5.5.4"),
    ("RCPT", "501 5.5.4"),
    ("RCPT TO:<jean.toto@example.org>x", "501 5.5.4"),
    (b"RCPT TO:<a\0b@example.org>", "501 5.5.2"),
    (b"RCPT TO:<a\rb@example.org>", "501 5.5.2"),
    (b"RCPT TO:<a\xffb@example.org>", "501 5.5.2"),
    (b"RCPT TO:<a\tb@example.org>", "501 5.5.2"),
    (b"RCPT TO:<a\x1b[2Jb@example.org>", "501 5.5.2"),
    (b"MAIL FROM:<a\0b@example.net>", "501 5.5.2"),
    (b"EHLO a\x1bb", "501 5.5.2"),
    (b"EHLO a\xffb", "501 5.5.2"),
    ("EHLO", "501 5.5.4"),
    ("EHLO <script>", "501 5.5.4"),
    ("HELO a b", "501 5.5.4"),
    ("RCPT TO:<jérôme@example.org>", "553 5.6.7"),
    ("RCPT TO:<jean.toto@example.org> FOO=BAR", "555 5.5.4"),
    ("RCPT TO:<jean.toto@example.org> NOTIFY=NEVER,FAILURE", "501 5.5.4"),
    ("RCPT TO:<jean.toto@example.org> ORCPT=x", "501 5.5.4"),
    ("VRFY jean.toto@example.org", "252 2.5.0"),
    ("VRFY nobody@example.org", "252 2.5.0"),
    ("VRFY", "501 5.5.4"),
    ("EXPN staff", "502 5.5.1"),
    ("HELP", "214 2.0.0"),
    ("XCLIENT ADDR=127.0.0.1", "500 5.5.2"),
    ("TURN", "500 5.5.2"),
    ("", "500 5.5.2"),
    ("DATA now", "501 5.5.4"),
    ("RSET now", "501 5.5.4"),
    ("STARTTLS now", "501 5.5.4"),
    ("QUIT now", "501 5.5.4"),
]


async def test_wrong_commands_get_one_clear_answer_and_the_session_goes_on(ingress: Any) -> None:
    for command, reply in WRONG:
        octets = command if isinstance(command, bytes) else command.encode()
        peer = await ingress.mx()
        if not octets.startswith(b"MAIL"):
            await peer.envelope("marie.dupont@example.org")
        await peer.say(octets, expect=reply)
        await peer.say("NOOP", expect=250)


PARAMETERS = [
    ("SIZE=20971520", "250"),
    ("SIZE=20971521", "552 5.3.4"),
    ("SIZE=99999999999999999999", "552 5.3.4"),
    ("SIZE=-1", "501 5.5.4"),
    ("SIZE=", "501 5.5.4"),
    ("BODY=8BITMIME SIZE=100", "250"),
    ("BODY=BINARYMIME", "501 5.5.4"),
    ("SMTPUTF8=1", "501 5.5.4"),
    ("SIZE=1 SIZE=2", "250"),
    ("SIZE=1 SIZE=20971521", "552 5.3.4"),
    ("SIZE=20971521 SIZE=1", "552 5.3.4"),
    ("SIZE=1 SIZE=x", "501 5.5.4"),
    ("RET=FULL RET=HDRS", "501 5.5.4"),
    ("RET=FULL RET=FULL", "250"),
    ("body=8bitmime size=5", "250"),
    ("  SIZE=5 \t BODY=7BIT ", "250"),
    ("SIZE=²", "501 5.5.4"),
    ("AUTH=", "250"),
    ("AUTH=user+3Dx@example.net", "250"),
    ("ENVID=+0D+0Ax", "501 5.5.4"),
    ("ENVID=YWJj==", "250"),
    ("ENVID=a+b", "250"),
    ("ENVID=é", "501 5.5.4"),
    ("RET=SOME", "501 5.5.4"),
    ("ENVID=" + "a" * 101, "501 5.5.4"),
    ("AUTH=<>", "250"),
    ("FOO", "555 5.5.4"),
]


async def test_parameters_of_mail(ingress: Any) -> None:
    peer = await ingress.mx()
    for parameters, reply in PARAMETERS:
        await peer.say(f"MAIL FROM:<someone@example.net> {parameters}", expect=reply)
        await peer.say("RSET", expect=250)


async def test_without_ehlo_there_are_no_parameters(ingress: Any) -> None:
    peer = await ingress.connect()
    await peer.say("HELO client.example.net", expect=250)
    await peer.say("MAIL FROM:<someone@example.net> SIZE=100", expect="555 5.5.4")
    await peer.say("MAIL FROM:<someone@example.net>", expect=250)


OUT_OF_ORDER = [
    ([], "MAIL FROM:<someone@example.net>"),
    ([], "RCPT TO:<jean.toto@example.org>"),
    ([], "DATA"),
    (["EHLO x.example"], "RCPT TO:<jean.toto@example.org>"),
    (["EHLO x.example"], "DATA"),
    (["EHLO x.example", "MAIL FROM:<someone@example.net>"], "DATA"),
    (["EHLO x.example", "MAIL FROM:<someone@example.net>"], "MAIL FROM:<someone@example.net>"),
    (["EHLO x.example", "MAIL FROM:<someone@example.net>", "EHLO x.example"], "RCPT TO:<jean.toto@example.org>"),
]


async def test_commands_out_of_order_are_refused(ingress: Any) -> None:
    for before, command in OUT_OF_ORDER:
        peer = await ingress.connect()
        for earlier in before:
            await peer.say(earlier, expect=250)
        await peer.say(command, expect="503 5.5.1")


async def test_a_bare_line_feed_ends_no_command(ingress: Any) -> None:
    peer = await ingress.mx()
    await peer.send(b"NOOP\nMAIL FROM:<someone@example.net>\r\n")
    assert (await peer.reply()).startswith("500 5.5.2")
    assert await peer.is_closed()


@pytest.mark.parametrize("command", ["NOOP", "RSET", "EHLO x.example", "VRFY x"])
async def test_idle_commands_are_limited(ingress: Any, command: str) -> None:
    peer = await ingress.mx()
    replies = [await peer.say(command) for _ in range(100)]
    assert replies[-1].startswith("421 4.7.0")
    assert not any(reply.startswith("421") for reply in replies[:-1])
    assert await peer.is_closed()


async def test_a_session_that_sends_mail_may_go_on(start: Any, specimen: bytes) -> None:
    ingress = await start(max_idle_commands=5)
    peer = await ingress.mx()
    for _ in range(10):
        await peer.envelope()
        await peer.data(specimen)
        await peer.say("RSET", expect=250)


async def test_too_many_commands_and_too_many_errors_end_a_session(start: Any) -> None:
    ingress = await start(max_commands=20, max_errors=3)
    peer = await ingress.mx()
    await peer.say("MAIL FROM:<someone@example.net>", expect=250)
    for _ in range(18):
        await peer.say("RCPT TO:<jean.toto@example.org>", expect=250)
    await peer.say("RCPT TO:<jean.toto@example.org>", expect="421 4.7.0")
    peer = await ingress.mx()
    for _ in range(3):
        await peer.say("FOO", expect="500 5.5.2")
    await peer.say("FOO", expect="421 4.7.0")
    assert await peer.is_closed()


async def test_a_session_that_is_too_fast_is_slowed_down_and_served(start: Any) -> None:
    ingress = await start(max_commands_per_second=640)
    peer = await ingress.mx()
    await peer.say("MAIL FROM:<someone@example.net>", expect=250)
    began = asyncio.get_running_loop().time()
    await peer.send(b"RCPT TO:<jean.toto@example.org>\r\n" * 256)
    assert {(await peer.reply())[:3] for _ in range(256)} == {"250"}
    assert asyncio.get_running_loop().time() - began > 0.2


async def test_a_session_that_sends_mail_is_not_slowed_down(start: Any, specimen: bytes) -> None:
    ingress = await start(max_commands_per_second=10)
    peer = await ingress.mx()
    clock = asyncio.get_running_loop().time
    began = clock()
    for _ in range(10):
        await peer.envelope()
        await peer.data(specimen)
    # 64 commands are let through before the rate is looked at: 6.4 seconds each time would be noticed.
    assert clock() - began < 6.4


async def test_a_command_that_trickles_in_is_cut_off(start: Any) -> None:
    ingress = await start(command_timeout=timedelta(seconds=0.3))
    peer = await ingress.mx()
    trickle = asyncio.create_task(_trickle(peer, b"MAIL FROM:<someone@example.net>"))
    assert (await peer.reply()).startswith("421 4.4.2")
    assert await peer.is_closed()
    trickle.cancel()


async def test_a_message_that_trickles_in_is_cut_off(start: Any) -> None:
    ingress = await start(slow_message_grace=timedelta(seconds=0.3), min_bytes_per_second=1000)
    peer = await ingress.mx()
    await peer.envelope()
    await peer.say("DATA", expect=354)
    trickle = asyncio.create_task(_trickle(peer, b"Subject: slow\r\n\r\n" + b"x" * 900))
    assert (await peer.reply()).startswith("421 4.4.2")
    assert await peer.is_closed()
    trickle.cancel()
    assert ingress.received == []


async def test_an_idle_session_gets_421_and_is_closed(start: Any) -> None:
    ingress = await start(idle_timeout=timedelta(seconds=0.2))
    peer = await ingress.mx()
    assert (await peer.reply()).startswith("421 4.4.2")
    assert await peer.is_closed()


async def test_connections_of_one_address_are_limited_and_others_are_served(start: Any) -> None:
    ingress = await start(max_connections_per_peer=5, max_connections=8)
    crowd = [await ingress.connect() for _ in range(5)]
    one_more = await ingress.connect(greeted=False)
    assert (await one_more.reply()).startswith("421 4.7.0")
    assert await one_more.is_closed()
    others = [await ingress.connect(source="127.0.0.2") for _ in range(3)]
    assert (await (await ingress.connect(greeted=False, source="127.0.0.3")).reply()).startswith("421 4.7.0")
    assert ingress.metric("facteur_ingress_open_sessions", listener="mx") == 8
    for peer in crowd:
        await peer.say("QUIT", expect=221)
        assert await peer.is_closed()
    await others[0].say("EHLO client.example.net", expect=250)
    await ingress.connect()


async def _trickle(peer: Any, octets: bytes) -> None:
    for octet in octets:
        await peer.send(bytes([octet]))
        await asyncio.sleep(0.02)


def _resident_bytes() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

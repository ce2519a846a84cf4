"""What honest software sends, however it is written: taken at the border, strict in the envelope that goes on."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

Eventually = Callable[..., Awaitable[None]]

SPECIMENS = Path(__file__).parents[2] / "specimens" / "smtp"
DIALOGUES = [
    "docomo-dots",
    "dot-before-at",
    "ehlo-trailing-space",
    "long-local-part",
    "no-brackets",
    "underscore-domain",
]
MESSAGES = ["60-received", "line-1500"]


@pytest.mark.parametrize("name", DIALOGUES)
async def test_dialogues_of_honest_senders_are_taken(ingress: Any, name: str) -> None:
    lines = (SPECIMENS / f"{name}.eml").read_bytes().splitlines()
    peer = await ingress.connect()
    if not lines[0].upper().startswith(b"EHLO"):
        await peer.say("EHLO mail.sender.example", expect=250)
    for line in lines:
        await peer.say(line, expect=250)


@pytest.mark.parametrize("name", MESSAGES)
async def test_messages_of_honest_senders_arrive_whole(ingress: Any, eventually: Eventually, name: str) -> None:
    raw = (SPECIMENS / f"{name}.eml").read_bytes()
    peer = await ingress.mx()
    await peer.envelope()
    await peer.data(raw)
    await eventually(lambda: len(ingress.received) == 1)
    assert ingress.received[0].raw == raw


SENDERS = [
    ("MAIL FROM: <a@sender.example>", "a@sender.example"),
    ("MAIL FROM:  \t <a@sender.example>", "a@sender.example"),
    ("mail from :<a@sender.example>", "a@sender.example"),
    ("Mail  From:<a@sender.example>  ", "a@sender.example"),
    ("MAIL\tFROM:<a@sender.example>\t", "a@sender.example"),
    (" MAIL FROM:<a@sender.example>", "a@sender.example"),
    ("MAIL FROM:< a@sender.example >", "a@sender.example"),
    ("MAIL FROM:a@sender.example", "a@sender.example"),
    ("MAIL FROM: a@sender.example SIZE=100", "a@sender.example"),
    ('MAIL FROM:"a b"@sender.example  BODY=7BIT', '"a b"@sender.example'),
    ("MAIL FROM:< >", ""),
    ("MAIL FROM: <>", ""),
    ("MAIL FROM:<>   SIZE=5", ""),
    ("MAIL FROM:<@relay.example,@other.example:a@sender.example>", "a@sender.example"),
    ('MAIL FROM:<"a.b. c"@sender.example>', '"a.b. c"@sender.example'),
    ('MAIL FROM:<"a>b"@sender.example>', '"a>b"@sender.example'),
    ("MAIL FROM:<a@sender.example.>", "a@sender.example"),
    ("MAIL FROM:<.a..b.@sender.example>", '".a..b."@sender.example'),
    ("MAIL FROM:<a@_spf.em_12.sender.example>", "a@_spf.em_12.sender.example"),
    (f"MAIL FROM:<{'l' * 230}@sender.example>", f"{'l' * 230}@sender.example"),
    ("MAIL FROM:<a@sender.example> AUTH=", "a@sender.example"),
    ("MAIL FROM:<a@sender.example> AUTH=<>", "a@sender.example"),
    ("MAIL FROM:<a@sender.example>  SIZE=5\tSIZE=7  body=8bitmime", "a@sender.example"),
    ("MAIL FROM:<prvs=0123456789=a@sender.example>", "prvs=0123456789=a@sender.example"),
    ("MAIL FROM:</G=A/S=B/O=x/@sender.example>", "/G=A/S=B/O=x/@sender.example"),
]


async def test_senders_are_read_however_their_servers_write_them(ingress: Any, eventually: Eventually) -> None:
    peer = await ingress.mx()
    for line, _ in SENDERS:
        await peer.say(line, expect="250 2.1.0")
        await peer.say("RCPT TO: jean.toto@example.org ", expect="250 2.1.5")
        await peer.data(f"Subject: {line.strip()[:40]}\r\n\r\nx\r\n".encode())
    await eventually(lambda: len(ingress.received) == len(SENDERS))
    assert [mail.envelope.mail_from for mail in ingress.received] == [address for _, address in SENDERS]


VERBS = [
    "EHLO client.example.net \t", "ehlo  client.example.net", "HELO my_host ", "EHLO 192.0.2.1", "EHLO ::1",
    "EHLO [192.0.2.1] ", "NOOP  ", "noop anything\tat all ", "RSET \t ", "VRFY  x ", "\tRSET", "HELP ", "EXPN x ",
]  # fmt: skip


async def test_white_space_around_a_verb_and_its_argument_is_ignored(
    ingress: Any, encode_plain: Callable[[str, str], str]
) -> None:
    peer = await ingress.mx()
    for verb in VERBS:
        assert (await peer.say(verb))[:1] == "2" or verb.startswith("EXPN"), verb
    await peer.say("EHLO client.example.net", expect=250)
    await peer.say("MAIL FROM:<a@sender.example>", expect=250)
    await peer.say("RCPT  TO : < jean.toto@example.org > NOTIFY=NEVER ", expect=250)
    await peer.say("DATA \t", expect=354)
    await peer.say(b"Subject: x\r\n\r\nx\r\n.", expect=250)
    await peer.envelope()
    await peer.say(b"BDAT  14  \r\nSubject: x\r\n", expect=250)
    await peer.say(b"bdat 3\tlast \r\nx", expect=250)
    await peer.say("STARTTLS ", expect=220)
    user = await ingress.connect("submissions")
    await user.say("EHLO client.example.net", expect=250)
    await user.say(f"AUTH  PLAIN  {encode_plain('jean.toto@example.org', 'motdepasse1')} ", expect=235)
    await user.say("QUIT ", expect=221)
    other = await ingress.connect("submissions")
    await other.say("EHLO client.example.net", expect=250)
    await other.say("auth login ", expect=334)
    await other.say(base64.b64encode(b"jean.toto@example.org") + b" ", expect=334)
    await other.say(base64.b64encode(b"motdepasse1") + b"\t", expect=235)


ODD_TEXT = {
    "latin-1": b"From: J\xe9r\xf4me <jean.toto@example.org>\r\nSubject: \xe9t\xe9\r\n\r\n\xe9\r\n",
    "GBK": b"From: \xc4\xe3\xba\xc3 <jean.toto@example.org>\r\nSubject: \xc4\xe3\r\n\r\n\xc4\r\n",
    "surrogates in UTF-8": b"From: \xed\xa0\x80 <jean.toto@example.org>\r\nSubject: \xed\xb0\x80\r\n\r\nx\r\n",
    "an octet of no charset": b"From: \xff\xfe <jean.toto@example.org>\r\nX-\xff: y\r\n\r\nx\r\n",
}


@pytest.mark.parametrize("raw", ODD_TEXT.values(), ids=ODD_TEXT.keys())
async def test_text_that_is_not_utf_8_is_taken_as_it_is(ingress: Any, eventually: Eventually, raw: bytes) -> None:
    for peer, sender in ((await ingress.mx(), "a@sender.example"), (await ingress.user(), "jean.toto@example.org")):
        await peer.envelope(sender=sender)
        await peer.data(raw)
    await eventually(lambda: len(ingress.received) == 2)
    assert [mail.raw for mail in ingress.received] == [raw, raw]


async def test_commands_that_are_not_text_are_refused_and_the_session_goes_on(ingress: Any) -> None:
    peer = await ingress.mx()
    for line in (b"EHLO \xe9.example", b"MAIL FROM:<\xc4\xe3@sender.example>", b"\xff\xfe", b"VRFY \xed\xa0\x80"):
        assert (await peer.say(line)).startswith("50")
    await peer.say("MAIL FROM:<é@sender.example> SMTPUTF8", expect=250)


TRICKS = [
    ("RCPT TO:someone@example.com", "550 5.7.1"),
    ("RCPT TO: < someone%example.com@example.org >", "550 5.7.1"),
    ('RCPT TO:"someone@example.com"@example.org', "550 5.7.1"),
    ("RCPT TO:<a..b%example.com@example.org>", "550 5.7.1"),
    ("RCPT TO:@example.org:someone@example.com", "550 5.7.1"),
    ("RCPT TO:someone@[127.0.0.1]", "550 5.7.1"),
    ("RCPT TO:<someone@example_1.com>", "550 5.7.1"),
    ("RCPT TO:<..@example.org>", "550 5.1.1"),
    ("RCPT TO:<jean.toto@example.org\r\nRCPT TO:<someone@example.com>", "501"),
    ("RCPT TO:<someone@example.com.>", "553 5.1.3"),
    ("RCPT TO:<someone@example.com >@example.org>", "501 5.5.4"),
    ("RCPT TO:jean.toto@example.org someone@example.com", "501 5.5.4"),
]


async def test_nothing_that_is_read_liberally_is_relayed(ingress: Any) -> None:
    for line, reply in TRICKS:
        peer = await ingress.mx()
        await peer.say("MAIL FROM:a@sender.example", expect=250)
        await peer.say(line, expect=reply)
        await peer.say("DATA", expect="5")
        await peer.close()


@pytest.mark.parametrize("end", [b"\r\n. \r\n", b"\r\n.\t\r\n", b"\r\n .\r\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r"])
async def test_white_space_never_ends_a_message(ingress: Any, end: bytes) -> None:
    peer = await ingress.mx()
    await peer.envelope()
    await peer.say("DATA", expect=354)
    smuggled = b"MAIL FROM:<x@smuggler.example>\r\nRCPT TO:<jean.toto@example.org>\r\nDATA\r\nSubject: y\r\n\r\ny"
    reply = await peer.say(b"Subject: x\r\n\r\nx" + end + smuggled + b"\r\n.")
    assert reply.startswith(("250 2.6.0", "550 5.6.0"))
    await peer.say("NOOP", expect=250)
    assert len(ingress.received) <= 1

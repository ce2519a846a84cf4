"""Attack inputs, rows 18 to 24: mail that should not be ours to carry."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

Eventually = Callable[..., Awaitable[None]]

TRICKS = [
    ("someone@example.com", "550 5.7.1"),
    ("someone%example.com@example.org", "550 5.7.1"),
    ("example.com!someone@example.org", "550 5.7.1"),
    ('"someone@example.com"@example.org', "550 5.7.1"),
    ("@example.org:someone@example.com", "550 5.7.1"),
    ("@example.org,@example.com:someone@example.com", "550 5.7.1"),
    ("someone@[127.0.0.1]", "550 5.7.1"),
    ("someone@[IPv6:::1]", "550 5.7.1"),
    ("someone@127.0.0.1", "553 5.1.3"),
    ("someone@example.org@example.com", "553 5.1.3"),
    ("someone@example.com.", "553 5.1.3"),
    ("someone@example.com\\@example.org", "553 5.1.3"),
    ("@example.org:", "553 5.1.3"),
    ("nobody@example.org", "550 5.1.1"),
]


async def test_nothing_is_relayed_for_strangers_whatever_the_form_of_the_address(
    ingress: Any, specimen: bytes, eventually: Eventually
) -> None:
    peer = await ingress.mx()
    await peer.say("MAIL FROM:<someone@example.net>", expect=250)
    for address, reply in TRICKS:
        await peer.say(f"RCPT TO:<{address}>", expect=reply)
    await peer.say("DATA", expect="503 5.5.1")
    assert ingress.metric("facteur_ingress_refusals_total", listener="mx", command="RCPT", reason="relay") == 8


async def test_a_source_route_to_a_local_recipient_is_ignored(
    ingress: Any, specimen: bytes, eventually: Eventually
) -> None:
    peer = await ingress.mx()
    await peer.envelope("@elsewhere.example,@more.example:jean.toto@example.org")
    await peer.data(specimen)
    await eventually(lambda: len(ingress.received) == 1)
    assert ingress.received[0].envelope.recipients[0].address == "jean.toto@example.org"


async def test_local_domains_as_sender_need_authentication(start: Any) -> None:
    ingress = await start()
    peer = await ingress.mx()
    await peer.say("MAIL FROM:<jean.toto@example.org>", expect="550 5.7.1")
    await peer.say("MAIL FROM:<nobody@EXAMPLE.ORG>", expect="550 5.7.1")
    await peer.say("MAIL FROM:<jean.toto@example.net>", expect="250")


async def test_local_domains_as_sender_may_be_allowed(start: Any) -> None:
    ingress = await start(refuse_local_senders=False)
    peer = await ingress.mx()
    await peer.say("MAIL FROM:<jean.toto@example.org>", expect=250)


async def test_an_internal_network_may_relay_only_where_it_is_configured(
    start: Any, neighbours: Any, specimen: bytes, eventually: Eventually
) -> None:
    ingress = await start(relay_networks=("127.0.0.2/32",))
    stranger = await ingress.mx()
    await stranger.say("MAIL FROM:<a@example.net>", expect=250)
    await stranger.say("RCPT TO:<someone@example.com>", expect="550 5.7.1")
    peer = await ingress.connect(source="127.0.0.2")
    await peer.say("EHLO printer", expect=250)
    await peer.envelope("someone@example.com", sender="jean.toto@example.org")
    await peer.data(specimen)
    await eventually(lambda: len(ingress.received) == 1)
    assert (ingress.received[0].envelope.recipients[0].domain, neighbours.sends) == (
        "",
        [{"key": "127.0.0.2", "class": "relay", "recipients": 1}],
    )


async def test_mail_of_strangers_counts_against_no_send_limit(ingress: Any, neighbours: Any, specimen: bytes) -> None:
    peer = await ingress.mx()
    await peer.envelope()
    await peer.data(specimen)
    assert neighbours.sends == []


@pytest.mark.parametrize(
    ("sender", "header", "at"),
    [
        ("marie.dupont@example.org", "jean.toto@example.org", "MAIL"),
        ("jean.toto@example.com", "jean.toto@example.org", "MAIL"),
        ("jean.toto@example.org", "marie.dupont@example.org", "DATA"),
        ("jean.toto@example.org", "jean.toto@example.org, marie.dupont@example.org", "DATA"),
        ("jean.toto@example.org", "jean.toto@example.org>, <marie.dupont@example.org", "DATA"),
        ("jean.toto@example.org", "undisclosed", "DATA"),
        ("", "marie.dupont@example.org", "DATA"),
    ],
)
async def test_an_authenticated_user_cannot_use_the_address_of_another(
    ingress: Any, sender: str, header: str, at: str
) -> None:
    peer = await ingress.user()
    if at == "MAIL":
        await peer.say(f"MAIL FROM:<{sender}>", expect="553 5.7.1")
        return
    await peer.envelope("someone@example.com", sender=sender)
    await peer.data(f"From: {header}\r\nSubject: x\r\n\r\nx\r\n".encode(), expect="550 5.7.1")
    assert ingress.received == []


@pytest.mark.parametrize("address", ["jean.toto@example.org", "Jean.Toto@Example.ORG", "info@example.org"])
async def test_an_authenticated_user_can_use_all_its_addresses(
    ingress: Any, eventually: Eventually, address: str
) -> None:
    peer = await ingress.user()
    await peer.envelope("someone@example.com", sender=address)
    await peer.data(f"From: Jean <{address}>\r\nSubject: x\r\n\r\nx\r\n".encode())
    await eventually(lambda: len(ingress.received) == 1)


@pytest.mark.parametrize("address", ["postmaster", "Postmaster", "POSTMASTER@example.org", "PostMaster@EXAMPLE.org"])
async def test_postmaster_is_local_in_any_case(
    ingress: Any, specimen: bytes, eventually: Eventually, address: str
) -> None:
    peer = await ingress.mx()
    await peer.envelope(address)
    await peer.data(specimen)
    await eventually(lambda: len(ingress.received) == 1)
    recipient = ingress.received[0].envelope.recipients[0]
    assert (recipient.address, recipient.original) == ("postmaster@example.org", address)


async def test_the_null_sender_writes_to_one_recipient(ingress: Any, specimen: bytes, eventually: Eventually) -> None:
    peer = await ingress.mx()
    await peer.envelope("jean.toto@example.org", sender="")
    for _ in range(49):
        await peer.say("RCPT TO:<marie.dupont@example.org>", expect="550 5.7.1")
    await peer.data(specimen)
    await eventually(lambda: len(ingress.received) == 1)
    envelope = ingress.received[0].envelope
    assert (envelope.mail_from, len(envelope.recipients)) == ("", 1)


@pytest.mark.parametrize("count", [101, 10_000])
async def test_a_hundred_recipients_are_accepted_and_further_ones_deferred(
    start: Any, neighbours: Any, specimen: bytes, eventually: Eventually, count: int
) -> None:
    for n in range(100):
        neighbours.add_account(f"u{n}@example.org")
    ingress = await start()
    peer = await ingress.mx()
    await peer.say("MAIL FROM:<someone@example.net>", expect=250)
    await peer.send(b"".join(b"RCPT TO:<u%d@example.org>\r\n" % n for n in range(count)))
    replies = [await peer.reply() for _ in range(count)]
    assert {reply[:3] for reply in replies[:100]} == {"250"}
    assert {reply[:9] for reply in replies[100:]} == {"452 4.5.3"}
    await peer.data(specimen)
    await eventually(lambda: len(ingress.received) == 1)
    assert len(ingress.received[0].envelope.recipients) == 100


async def test_a_recipient_named_twice_is_one_recipient(ingress: Any, specimen: bytes, eventually: Eventually) -> None:
    peer = await ingress.mx()
    await peer.envelope("jean.toto@example.org", "Jean.Toto@EXAMPLE.org", '"jean.toto"@example.org')
    await peer.data(specimen)
    await eventually(lambda: len(ingress.received) == 1)
    assert len(ingress.received[0].envelope.recipients) == 1

"""Attack inputs, rows 9 to 17: passwords and TLS."""

from __future__ import annotations

import asyncio
import base64
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

JEAN = "jean.toto@example.org"

Plain = Callable[[str, str], str]


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


async def test_after_tls_everything_starts_anew(ingress: Any) -> None:
    peer = await ingress.mx()
    await peer.say("MAIL FROM:<someone@example.net>", expect=250)
    await peer.say("STARTTLS", expect="503 5.5.1")
    await peer.say("RSET", expect=250)
    await peer.start_tls()
    await peer.say("MAIL FROM:<someone@example.net>", expect="503 5.5.1")
    await peer.say("EHLO client.example.net", expect=250)
    await peer.say("STARTTLS", expect="503 5.5.1")
    await peer.say("MAIL FROM:<someone@example.net>", expect=250)


async def test_starttls_after_auth_is_refused(ingress: Any, encode_plain: Plain) -> None:
    peer = await ingress.user()
    await peer.say("STARTTLS", expect="503 5.5.1")
    await peer.say(f"AUTH PLAIN {encode_plain(JEAN, 'motdepasse1')}", expect="503 5.5.1")


@pytest.mark.parametrize("listener", ["mx", "submission"])
async def test_auth_and_submission_need_tls(ingress: Any, encode_plain: Plain, listener: str) -> None:
    peer = await ingress.connect(listener)
    assert "AUTH" not in await peer.say("EHLO client.example.net", expect=250)
    await peer.say(f"AUTH PLAIN {encode_plain(JEAN, 'motdepasse1')}", expect="538 5.7.11")
    if listener == "submission":
        await peer.say(f"MAIL FROM:<{JEAN}>", expect="530 5.7.0")
        await peer.start_tls()
        assert "250-AUTH PLAIN LOGIN" in (await peer.say("EHLO client.example.net", expect=250)).replace(
            "250 A", "250-A"
        )
        await peer.say(f"MAIL FROM:<{JEAN}>", expect="530 5.7.0")
        await peer.say(f"AUTH PLAIN {encode_plain(JEAN, 'motdepasse1')}", expect="235 2.7.0")
        await peer.say(f"MAIL FROM:<{JEAN}>", expect=250)


async def test_the_mx_port_offers_no_authentication(ingress: Any, encode_plain: Plain) -> None:
    peer = await ingress.mx()
    await peer.start_tls()
    assert "AUTH" not in await peer.say("EHLO client.example.net", expect=250)
    await peer.say(f"AUTH PLAIN {encode_plain(JEAN, 'motdepasse1')}", expect="503 5.5.1")


async def test_both_mechanisms_with_and_without_initial_response(ingress: Any, encode_plain: Plain) -> None:
    right = encode_plain(JEAN, "motdepasse1")
    for dialogue in (
        [(f"AUTH PLAIN {right}", "235")],
        [("AUTH PLAIN", "334"), (right, "235")],
        [("AUTH LOGIN", "334 VXNlcm5hbWU6"), (encoded(JEAN), "334 UGFzc3dvcmQ6"), (encoded("motdepasse1"), "235")],
        [(f"auth login {encoded(JEAN)}", "334 UGFzc3dvcmQ6"), (encoded("motdepasse1"), "235")],
    ):
        peer = await ingress.connect("submissions")
        await peer.say("EHLO client.example.net", expect=250)
        for line, reply in dialogue:
            await peer.say(line, expect=reply)


async def test_malformed_authentication_gets_one_clear_reply(ingress: Any, encode_plain: Plain) -> None:
    other_name = base64.b64encode(b"marie.dupont@example.org\0" + JEAN.encode() + b"\0motdepasse1").decode()
    for dialogue in (
        [("AUTH PLAIN", "334"), ("*", "501 5.7.0")],
        [("AUTH LOGIN", "334"), ("*", "501 5.7.0")],
        [("AUTH LOGIN", "334"), (encoded(JEAN), "334"), ("*", "501 5.7.0")],
        [("AUTH PLAIN !!!", "501 5.5.2")],
        [("AUTH PLAIN \N{LATIN SMALL LETTER E WITH ACUTE}", "501 5.5.2")],
        [("AUTH PLAIN =", "501 5.5.4")],
        [("AUTH PLAIN", "334"), ("\N{LATIN SMALL LETTER E WITH ACUTE}", "501 5.5.2")],
        [(f"AUTH PLAIN {encoded('no zeros')}", "501 5.5.4")],
        [(f"AUTH PLAIN {other_name}", "501 5.5.4")],
        [(f"AUTH PLAIN {encode_plain(JEAN, 'x' * 2000)}", "501 5.5.4")],
        [("AUTH CRAM-MD5", "504 5.5.4")],
        [("AUTH", "504 5.5.4")],
    ):
        peer = await ingress.connect("submissions")
        await peer.say("EHLO client.example.net", expect=250)
        for line, reply in dialogue:
            await peer.say(line, expect=reply)
        await peer.say("NOOP", expect=250)


async def test_an_endless_authentication_line_is_cut_off(ingress: Any) -> None:
    peer = await ingress.connect("submissions")
    await peer.say("EHLO client.example.net", expect=250)
    await peer.say("AUTH PLAIN", expect=334)
    await peer.send(b"A" * 13000)
    assert (await peer.reply()).startswith("500 5.5.6")
    assert await peer.is_closed()


async def test_unknown_users_wrong_passwords_and_suspended_accounts_get_the_same_reply(
    start: Any, neighbours: Any, encode_plain: Plain
) -> None:
    neighbours.add_account("suspended@example.org")
    neighbours.suspended.add("suspended@example.org")
    ingress = await start()
    replies = set()
    for login, password in (
        (JEAN, "wrong"),
        ("nobody@example.org", "wrong"),
        ("suspended@example.org", "motdepasse1"),
    ):
        peer = await ingress.connect("submissions")
        await peer.say("EHLO client.example.net", expect=250)
        replies.add(await peer.say(f"AUTH PLAIN {encode_plain(login, password)}"))
    assert replies == {"535 5.7.8 Authentication credentials invalid"}


async def test_a_session_ends_after_a_few_failures(ingress: Any, encode_plain: Plain) -> None:
    peer = await ingress.connect("submissions")
    await peer.say("EHLO client.example.net", expect=250)
    for _ in range(3):
        await peer.say(f"AUTH PLAIN {encode_plain(JEAN, 'wrong')}", expect="535 5.7.8")
    assert (await peer.reply()).startswith("421 4.7.0")
    assert await peer.is_closed()


async def guess(
    ingress: Any, login: str, attempts: int, encode_plain: Plain, source: str = "127.0.0.1"
) -> Counter[str]:
    """So many wrong passwords over as many connections as that takes; the replies, counted."""
    replies: Counter[str] = Counter()
    while replies.total() < attempts:
        peer = await ingress.connect("submissions", source=source)
        await peer.say("EHLO client.example.net", expect=250)
        for _ in range(min(10, attempts - replies.total())):
            reply = await peer.say(f"AUTH PLAIN {encode_plain(login, f'guess {replies.total()}')}")
            if not reply.startswith(("535", "454")):
                break
            replies[reply[:9]] += 1
    return replies


async def test_a_thousand_guesses_at_one_account_reach_the_router_a_few_times_only(
    start: Any, neighbours: Any, encode_plain: Plain
) -> None:
    ingress = await start(auth_failures_per_session=10, auth_failures_per_account=10)
    counts = await asyncio.gather(*(guess(ingress, JEAN, 100, encode_plain) for _ in range(10)))
    assert sum(counts, Counter()) == {"535 5.7.8": 10, "454 4.7.0": 990}
    assert neighbours.asked["/v1/authentications"] == 10


async def test_guesses_at_many_accounts_from_one_address_are_throttled_and_others_get_in(
    start: Any, neighbours: Any, encode_plain: Plain
) -> None:
    ingress = await start(auth_failures_per_address=20, auth_failures_per_session=50)
    counts = [await guess(ingress, f"user{n}@example.org", 5, encode_plain) for n in range(10)]
    assert sum(counts, Counter()) == {"535 5.7.8": 20, "454 4.7.0": 30}
    peer = await ingress.connect("submissions", source="127.0.0.2")
    await peer.say("EHLO client.example.net", expect=250)
    await peer.say(f"AUTH PLAIN {encode_plain(JEAN, 'motdepasse1')}", expect=235)


async def test_the_owner_gets_in_from_where_it_got_in_before_however_many_guess(
    start: Any, encode_plain: Plain
) -> None:
    ingress = await start(auth_failures_per_account=5, auth_failures_per_session=50)
    await ingress.user()
    await guess(ingress, JEAN, 10, encode_plain, source="127.0.0.2")
    await ingress.user()
    peer = await ingress.connect("submissions", source="127.0.0.3")
    await peer.say("EHLO client.example.net", expect=250)
    await peer.say(f"AUTH PLAIN {encode_plain(JEAN, 'motdepasse1')}", expect="454 4.7.0")


async def test_an_address_that_guesses_is_refused_at_connect_for_a_while(start: Any, encode_plain: Plain) -> None:
    ingress = await start(auth_failures_per_address=5, auth_failures_per_session=50, ban_exempt_networks=())
    await guess(ingress, JEAN, 5, encode_plain, source="127.0.0.2")
    refused = await ingress.connect(greeted=False, source="127.0.0.2")
    assert (await refused.reply()).startswith("421 4.7.0")
    assert await refused.is_closed()
    await ingress.connect()


async def test_failures_are_answered_later_and_later(start: Any, encode_plain: Plain) -> None:
    slow = {"auth_failure_delay": timedelta(seconds=0.05), "auth_failure_max_delay": timedelta(seconds=0.4)}
    ingress = await start(auth_failures_per_session=20, auth_failures_per_account=20, **slow)
    peer = await ingress.connect("submissions")
    await peer.say("EHLO client.example.net", expect=250)
    clock = asyncio.get_running_loop().time
    took = []
    for _ in range(11):
        began = clock()
        await peer.say(f"AUTH PLAIN {encode_plain(JEAN, 'wrong')}", expect=535)
        took.append(clock() - began)
    assert [took[0] >= 0.05, took[5] >= 0.1, took[10] >= 0.2] == [True] * 3


async def test_an_unavailable_router_is_not_told_as_a_wrong_password(
    ingress: Any, neighbours: Any, encode_plain: Plain
) -> None:
    neighbours.away.add("router")
    peer = await ingress.connect("submissions")
    await peer.say("EHLO client.example.net", expect=250)
    await peer.say(f"AUTH PLAIN {encode_plain(JEAN, 'motdepasse1')}", expect="454 4.7.0")
    neighbours.away.clear()
    await peer.say(f"AUTH PLAIN {encode_plain(JEAN, 'motdepasse1')}", expect=235)


async def test_an_account_that_is_suspended_meanwhile_cannot_send(ingress: Any, neighbours: Any) -> None:
    from libs.events import AccountChanged

    peer = await ingress.user()
    await peer.say(f"MAIL FROM:<{JEAN}>", expect=250)
    await peer.say("RSET", expect=250)
    neighbours.suspended.add(JEAN)
    await ingress.shared.bus.emit(AccountChanged(address=JEAN).to_bus())
    async with asyncio.timeout(10):
        while (await peer.say(f"MAIL FROM:<{JEAN}>")).startswith("250"):
            await peer.say("RSET", expect=250)

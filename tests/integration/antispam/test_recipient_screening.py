"""Screening at RCPT, honeypots, training by mail, and their administration."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from libs.envelope import Peer, Recipient, queues
from libs.events import AccountDeleted, MailQuarantined, MailRelayed, MailReleased

ARRIVAL = {"peer": "192.0.2.1", "sender": "a@b.example", "recipient": "m@a.example", "domain": "a.example"}
SPAM = b"From: x@shop.example\r\nSubject: cheap watches\r\n\r\nBuy replica watches and handbags today.\r\n"


async def admitted(replica: Any, **arrival: Any) -> Any:
    body = {**ARRIVAL, **arrival}
    return (await replica.call("POST", "/v1/admissions", token="ingress", json=body)).json()


async def greylisting(start: Any, **settings: Any) -> Any:
    replica = await start(greylisting_delay=timedelta(milliseconds=300), greylisting_network_passes=2, **settings)
    await replica.call("PATCH", "/v1/policies/a.example", json={"filters": {"greylisting": True}})
    return replica


async def test_a_stranger_waits_where_a_domain_greylists_and_passes_when_it_comes_again(
    start: Any, eventually: Any
) -> None:
    replica = await greylisting(start)
    other = await start(greylisting_delay=timedelta(milliseconds=300))
    assert (await replica.get("/v1/receptions/a.example"))["greylists"] is True
    assert (await replica.get("/v1/receptions/b.example"))["greylists"] is False
    assert (await admitted(replica, domain="b.example"))["decision"] == "accept"
    first = await admitted(replica)
    assert (first["decision"], first["retry_at"] is not None) == ("defer", True)

    async def passed() -> bool:
        return bool((await admitted(other))["decision"] == "accept")

    await eventually(passed)
    answer = await admitted(replica, peer="192.0.2.99")  # a neighbour of the peer, at another replica than before
    assert (answer["note"][:13], answer["keep_seconds"], answer["whole_network"]) == ("passed after ", 600, False)
    assert (await admitted(replica, sender="else@b.example"))["decision"] == "defer"


async def test_a_network_that_waited_several_times_need_not_any_more(start: Any, eventually: Any) -> None:
    replica = await greylisting(start)
    for sender in ("1@b.example", "2@b.example"):

        async def passed(sender: str = sender) -> bool:
            return bool((await admitted(replica, sender=sender))["decision"] == "accept")

        await eventually(passed)
    answer = await admitted(replica, sender="3@b.example")
    assert (answer["decision"], answer["whole_network"]) == ("accept", True)
    await replica.call("DELETE", "/v1/greylist/192.0.2.5", expect=204)
    assert (await admitted(replica, sender="3@b.example"))["decision"] == "defer"


@pytest.mark.parametrize(("list_name", "value"), [("peer_white", "192.0.2.0/24"), ("sender_white", "b.example")])
async def test_a_whitelisted_peer_or_sender_is_not_greylisted(start: Any, list_name: str, value: str) -> None:
    replica = await greylisting(start)
    await replica.call("POST", f"/v1/lists/{list_name}", expect=201, json={"value": value, "domain": "a.example"})
    assert (await admitted(replica))["decision"] == "accept"
    assert (await admitted(replica, peer="127.0.0.1"))["decision"] == "accept"


async def test_the_verdict_says_how_long_it_waited(start: Any, post: Any) -> None:
    await greylisting(start)
    recipient = Recipient(address="m@a.example", domain="a.example", screened="passed after 312 s")
    mail = (await post.taken(await post.send(SPAM, recipients=(recipient,))))[queues.ROUTER]
    [found] = [test for test in mail.envelope.verdicts["a.example"].tests if test.name == "greylisting"]
    assert (found.reason, found.score) == ("passed after 312 s", 0.0)


HONEYPOT = Recipient(address="Trap@alias.example", domain="a.example", purpose="honeypot")
HONEST = Recipient(address="m@a.example", domain="a.example", account="m@a.example")


async def test_mail_to_a_honeypot_is_learned_and_quarantined_and_its_peer_is_blacklisted(
    replica: Any, post: Any, eventually: Any
) -> None:
    await replica.call("POST", "/v1/honeypots", expect=201, json={"address": "Trap@A.example", "comment": "our site"})
    purposes = (await replica.get("/v1/receptions/a.example"))["purposes"]
    assert purposes["trap@a.example"] == "honeypot"
    taken = await post.taken(await post.send(SPAM, recipients=(HONEYPOT, HONEST)), pieces=2)
    held, free = taken[queues.QUARANTINE].envelope, taken[queues.ROUTER].envelope
    assert (held.recipients, held.quarantine_reason) == ((HONEYPOT,), "honeypot")
    assert free.recipients == (HONEST,)
    assert free.verdicts["a.example"].spam
    assert [peer["address"] for peer in (await replica.get("/v1/blacklisted-peers"))["items"]] == ["192.0.2.1"]
    assert (await replica.get("/v1/learned"))["spam"] == 1
    [shown] = (await replica.get("/v1/honeypots", domain="a.example"))["items"]
    assert (shown["address"], shown["hits"], shown["comment"]) == ("trap@a.example", 1, "our site")
    await replica.call("DELETE", "/v1/honeypots/trap@a.example", expect=204)
    await replica.call("DELETE", "/v1/honeypots/trap@a.example", expect=404)
    await replica.call("POST", "/v1/honeypots", expect=422, json={"address": "no address"})


async def test_a_peer_that_an_administrator_trusts_is_never_refused_for_a_honeypot(start: Any, post: Any) -> None:
    replica = await start(honeypot_trains=False)
    await replica.call("POST", "/v1/lists/peer_white", expect=201, json={"value": "192.0.2.1"})
    taken = await post.taken(await post.send(SPAM, recipients=(HONEYPOT,)))
    assert set(taken) == {queues.QUARANTINE}
    assert (await replica.get("/v1/blacklisted-peers"))["items"] == []
    assert (await replica.get("/v1/learned"))["spam"] == 0


def forwarded(*inner: bytes) -> bytes:
    parts = b"".join(b"--b\r\nContent-Type: message/rfc822\r\n\r\n" + raw + b"\r\n" for raw in inner)
    head = b"From: boss@a.example\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    return head + parts + b"--b--\r\n"


@pytest.mark.parametrize(("name", "learned"), [("spam", (2, 0)), ("ham", (0, 2))])
async def test_messages_forwarded_to_a_training_address_are_learned_for_its_domain_and_end_there(
    replica: Any, post: Any, eventually: Any, name: str, learned: tuple[int, int]
) -> None:
    trainer = Recipient(address=f"{name}@alias.example", domain="a.example", purpose="training")
    boss = {"listener": "submission", "peer": Peer(account="boss@a.example"), "mail_from": "boss@a.example"}
    other = SPAM.replace(b"watches", b"handbags")
    for _ in range(2):  # again is once
        await post.send(forwarded(SPAM, other), recipients=(trainer,), **boss)

    async def known() -> bool:
        found = await replica.get("/v1/learned", domain="a.example")
        return (found["spam"], found["ham"]) == learned

    await eventually(known)
    assert (await replica.get("/v1/learned"))["spam"] == 0
    id = await post.send(SPAM, "m@a.example")
    await post.taken(id)
    assert [mail.envelope.id for mails in post.arrived.values() for mail in mails] == [id]


async def test_lessons_leave_and_come_in_again_without_counting_twice(replica: Any) -> None:
    for n in range(25):
        await replica.call("POST", "/v1/learn", content=SPAM + b"%d words" % n, params={"as": "spam"})
    lines = (await replica.call("GET", "/v1/lessons")).content
    assert lines.endswith(b'{"end":25}\n')
    for domain, changed in (("", 0), ("b.example", 25), ("b.example", 0)):
        answer = await replica.call("POST", "/v1/lessons", content=lines, params={"domain": domain})
        assert answer.json() == {"domain": domain, "lessons": 25, "changed": changed}
    assert (await replica.get("/v1/learned", domain="b.example"))["spam"] == 25
    unlearned = await replica.call("POST", "/v1/unlearn", content=SPAM + b"1 words", params={"domain": "b.example"})
    assert unlearned.json()["before"] == "spam"


@pytest.mark.parametrize(
    "line", [b"no JSON", b'{"digest": "x", "kind": "spam", "tokens": []}', b"{}", b"x" * 5_000_000]
)
async def test_an_invalid_line_is_refused_with_its_number(replica: Any, line: bytes) -> None:
    answer = await replica.call("POST", "/v1/lessons", content=b"\n\n" + line, expect=422)
    assert "line 3" in answer.json()["detail"]


async def test_complaints_by_api_add_up_to_a_verdict_and_can_be_cleared(start: Any, post: Any) -> None:
    replica = await start(complaint_threshold_sender=2)
    mail = (await post.taken(await post.send(SPAM, "m@a.example")))[queues.ROUTER]
    shown = (
        f"Return-Path: <{mail.envelope.mail_from}>\r\nReceived: from x with ESMTP id 1; now\r\n"
        f"X-Facteur-Envelope-From: <{mail.envelope.mail_from}>\r\nX-Facteur-Peer: 192.0.2.1\r\n"
        "X-Facteur-Envelope-To: m@a.example\r\n"
    ).encode() + SPAM
    for who in ("m@a.example", "m@a.example", "l@a.example"):
        await replica.call("POST", "/v1/learn", content=shown, params={"as": "spam", "by": who, "domain": "a.example"})
    assert (await replica.get("/v1/learned", domain="a.example"))["spam"] == 1
    [sender] = (await replica.get("/v1/complaints/sender"))["items"]
    assert (sender["value"], sender["counts"], sender["required"]) == ("jean@elsewhere.example", True, 2)
    [peer] = (await replica.get("/v1/complaints/peer"))["items"]
    assert (peer["value"], peer["counts"]) == ("192.0.2.1", False)
    await replica.call("DELETE", "/v1/complaints/sender", params={"value": "x@y.example"}, expect=404)
    late = await start(complaint_threshold_sender=2)  # reads what counts at its start
    asked = {"from": "jean@elsewhere.example", "peer": "192.0.2.1", "domain": "a.example"}
    assert await late.outcome("sender_complaints", SPAM, **asked) == "hit"
    await late.call("DELETE", "/v1/complaints/sender", params={"value": "Jean@elsewhere.example"}, expect=204)
    assert await late.outcome("sender_complaints", SPAM, **asked) == "miss"
    off = {"filters": {"sender_complaints": False}}
    await late.call("PATCH", "/v1/policies/a.example", json=off, expect=422)


async def test_recipients_of_local_users_and_validated_senders_are_whitelisted(
    replica: Any, bus: Any, eventually: Any
) -> None:
    asked = {"from": "luc@far.example", "peer": "192.0.2.1", "domain": "a.example"}
    assert await replica.outcome("automatic_whitelist", SPAM, **asked) == "miss"
    fact = MailRelayed(id="1", account="m@a.example", recipients=["Luc@far.example", "l@a.example"])
    await bus.emit(fact.to_bus())

    async def known() -> bool:
        return bool(await replica.outcome("automatic_whitelist", SPAM, **asked) == "hit")

    await eventually(known)
    path = "/v1/automatic-whitelist/a.example"
    await replica.call("POST", path, json={"address": "Eve@far.example"}, expect=201)
    await replica.call("POST", path, json={"address": "eve@a.example"}, expect=422)
    await replica.call("POST", path, json={"address": "eve"}, expect=422)
    items = (await replica.get(path))["items"]
    assert [(item["address"], item["validated"], item["messages"]) for item in items] == [
        ("eve@far.example", True, 0),
        ("luc@far.example", False, 1),
    ]
    await replica.call("DELETE", f"{path}/luc@far.example", expect=204)
    await replica.call("DELETE", f"{path}/luc@far.example", expect=404)
    assert await replica.outcome("automatic_whitelist", SPAM, **asked) == "miss"


async def test_statistics_of_an_account_count_received_quarantined_and_released_messages(
    replica: Any, post: Any, bus: Any, eventually: Any
) -> None:
    await post.taken(await post.send(SPAM, recipients=(HONEST,)))
    one = {"id": "1", "domains": ["a.example"], "accounts": ["m@a.example"]}
    for _ in range(2):
        await bus.emit(MailQuarantined(reason="EICAR", infected=True, **one).to_bus())
        await bus.emit(MailReleased(**one).to_bus())

    wanted = {"received": 1, "quarantined": 1, "viruses": 1, "released": 1}

    async def counted() -> bool:
        found = [
            (await replica.get(f"/v1/statistics/{name}"))["items"] for name in ("accounts/M@a.example", "a.example")
        ]
        return all(days and wanted.items() <= days[-1]["counts"].items() for days in found)

    await eventually(counted)
    await replica.call("GET", "/v1/statistics/accounts/nobody", expect=422)
    await bus.emit(AccountDeleted(address="m@a.example", deleted_at=datetime.now(UTC)).to_bus())

    async def forgotten() -> bool:
        return not (await replica.get("/v1/statistics/accounts/m@a.example"))["items"]

    await eventually(forgotten)
    assert (await replica.get("/v1/statistics/a.example"))["items"]

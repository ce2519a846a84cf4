"""Authentication of forwarded mail as it occurs in practice, by the API, with the records on a DNS server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.servers.zone import Zone, ZoneServer

SPECIMENS = Path(__file__).parents[2] / "specimens" / "authentication"
KEY = (SPECIMENS / "dkim-key.txt").read_text().strip()
BANK = f"""
bank.example               TXT "v=spf1 ip4:198.51.100.1 -all"
_dmarc.bank.example        TXT "v=DMARC1; p=reject"
s._domainkey.bank.example  TXT "{KEY[:200]}" "{KEY[200:]}"
"""
# The key behind an alias, as providers ask their customers to set it up.
DELEGATED = BANK.replace("s._domainkey.bank.example ", "s.keys.provider.example ") + (
    "s._domainkey.bank.example  CNAME s.keys.provider.example.\n"
)
ATTACKER = """
_dmarc.bank.example        TXT "v=DMARC1; p=reject"
attacker.example           MX  10 mx.attacker.example.
mx.attacker.example        A   192.0.2.99
spf.attacker.example       SERVFAIL
"""
FORWARDED = {"from": "ceo@bank.example", "to": "jean.toto@example.org", "peer": "192.0.2.50"}
FORGED = {"to": "jean.toto@example.org", "peer": "192.0.2.99", "helo": "mx.attacker.example"}


def specimen(name: str) -> bytes:
    return (SPECIMENS / f"{name}.eml").read_bytes()


async def found(replica: Any, raw: bytes, filter_name: str, **params: str) -> tuple[bool, str, str]:
    checked = await replica.check(raw, **params)
    finding = next(found for found in checked["findings"] if found["filter"] == filter_name)
    return checked["spam"], finding["outcome"], finding["reason"]


@pytest.mark.parametrize("records", [BANK, DELEGATED])
async def test_forwarded_mail_with_an_aligned_signature_is_not_spam(
    replica: Any, zone_server: ZoneServer, records: str
) -> None:
    zone_server.zone = Zone(records)
    raw = specimen("spf-forwarded-dkim-pass")
    assert await found(replica, raw, "spf_vouched", **FORWARDED) == (
        False,
        "hit",
        "bank.example: -all, but DKIM of bank.example passes",
    )
    assert (await found(replica, raw, "dmarc", **FORWARDED))[1] == "miss"
    changed = raw.replace(b"please pay", b"please pay me")
    assert (await found(replica, changed, "spf", **FORWARDED))[:2] == (True, "hit")


async def test_a_domain_may_have_every_fail_decide(replica: Any, zone_server: ZoneServer) -> None:
    zone_server.zone = Zone(BANK)
    policy = {"filters": {"spf_strict": True}}
    await replica.call("PATCH", "/v1/policies/example.org", json=policy)
    raw = specimen("spf-forwarded-dkim-pass")
    assert (await found(replica, raw, "spf_strict", **FORWARDED, domain="example.org"))[:2] == (True, "hit")
    assert (await found(replica, raw, "spf", **FORWARDED, domain="example.com"))[:2] == (False, "miss")


async def test_an_unaligned_sender_whose_dns_is_dead_does_not_switch_dmarc_off(
    replica: Any, zone_server: ZoneServer
) -> None:
    zone_server.zone = Zone(ATTACKER)
    raw = specimen("dmarc-unaligned-spf-temperror")
    spam, outcome, reason = await found(replica, raw, "dmarc", **FORGED, **{"from": "x@spf.attacker.example"})
    assert (spam, outcome, reason[-8:]) == (True, "hit", "p=reject")


@pytest.mark.parametrize("name", ["dmarc-author-domain-underscore", "from-comment-quoted-pair"])
async def test_the_author_that_readers_see_is_judged(replica: Any, zone_server: ZoneServer, name: str) -> None:
    zone_server.zone = Zone(ATTACKER)
    spam, outcome, reason = await found(replica, specimen(name), "dmarc", **FORGED, **{"from": "x@attacker.example"})
    assert (spam, outcome, reason[-8:]) == (True, "hit", "p=reject")


TRACE = (
    b"Return-Path: <ceo@bank.example>\r\nDelivered-To: jean.toto@example.org\r\n"
    b"Received: from mx.example.org (mx.example.org [127.0.0.1]) by mail.example.org with LMTP id 2\r\n"
    b"Received: from mail.sender.example (mail.sender.example [192.0.2.50])\r\n"
    b"\tby mx.example.org with ESMTPS id 1;\r\n"
    b"\tFri, 27 Nov 2026 06:00:03 +0000\r\n"
)


async def test_a_message_is_judged_by_the_fields_of_its_own_way(replica: Any, zone_server: ZoneServer) -> None:
    zone_server.zone = Zone(BANK)
    raw = specimen("spf-forwarded-dkim-pass")
    assert (await found(replica, TRACE + raw, "spf_vouched"))[1] == "hit"
    assert (await found(replica, TRACE + raw.replace(b"please", b"do"), "spf"))[:2] == (True, "hit")
    assert (await found(replica, TRACE + raw, "spf", **{"from": "x@sender.example"}))[1] == "miss"
    assert (await found(replica, TRACE.replace(b"ceo@bank.example", b"") + raw, "no_sender"))[1] == "hit"


async def test_an_unknown_part_of_the_envelope_is_not_judged(replica: Any, zone_server: ZoneServer) -> None:
    zone_server.zone = Zone(BANK)
    raw = specimen("dmarc-unaligned-spf-temperror")
    for params in ({}, {"peer": "192.0.2.50"}):
        checked = await replica.check(raw, **params)
        by_name = {found["filter"]: found for found in checked["findings"]}
        for name in ("no_sender", "spf", "spf_none", "dmarc", "invalid_mx", "helo", "same_sender_recipient"):
            assert by_name[name]["outcome"] in ("miss", "off"), name
        assert by_name["no_sender"]["reason"] == "not judged: the sender is unknown"
    assert (await found(replica, raw, "no_sender", **{"from": ""}))[1] == "hit"
    assert (await found(replica, raw, "helo", peer="192.0.2.50", helo=""))[1] == "hit"

"""ARC (RFC 8617): chains that pass, and changes that break them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from libs.authentication import arc
from libs.authentication.message import SignedMessage
from libs.mail.headers import Headers

Seal = Callable[..., bytes]


@pytest.fixture
def verify(zone: Any, now: datetime) -> Callable[[bytes], Any]:
    async def verified(raw: bytes) -> Any:
        return await arc.verify(SignedMessage(raw, Headers(raw)), txt=zone.txt, now=now)

    return verified


async def test_a_message_that_nobody_sealed_has_no_chain(verify: Any, specimen: bytes) -> None:
    assert (await verify(specimen)).outcome == "none"


async def test_a_chain_names_its_sealers_and_what_the_last_one_saw(seal: Seal, verify: Any) -> None:
    chain = await verify(seal(seal(domain="first.example"), domain="second.example"))
    assert (chain.outcome, chain.sealers) == ("pass", ("first.example", "second.example"))
    assert "dmarc=pass" in chain.results


async def test_a_change_behind_the_last_seal_breaks_the_chain(seal: Seal, verify: Any) -> None:
    changed = seal(domain="first.example").replace(b"Bonjour", b"[list] Bonjour")
    assert (await verify(changed)).outcome == "fail"


@pytest.mark.parametrize(("found", "outcome"), [("pass", "pass"), ("fail", "fail")])
async def test_a_list_may_change_the_message_before_it_seals_a_chain_that_held(
    seal: Seal, verify: Any, found: str, outcome: str
) -> None:
    changed = seal(domain="first.example").replace(b"Bonjour", b"[list] Bonjour")
    assert (await verify(seal(changed, domain="second.example", arc=found))).outcome == outcome


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ((b"dmarc=pass", b"dmarc=fail"), "the seal of lists.example.com does not verify"),
        ((b"un autre", b"un intrus"), "the body was changed"),
        ((b"ARC-Seal: i=1", b"ARC-Seal: i=2"), "a set is incomplete"),
        ((b"ARC-Seal: i=1", b"X-Seal: i=1"), "a set is incomplete"),
        ((b"ARC-Seal: i=1", b"ARC-Seal: h=from; i=1"), "a seal names fields"),
        ((b"cv=none", b"cv=pass"), "a seal says cv=pass"),
        ((b"cv=none", b"xx=none"), "a seal is malformed"),
        ((b"ARC-Seal: i=1", b"ARC-Seal: i=one"), "an instance is duplicate or has no number"),
    ],
)
async def test_a_change_breaks_the_chain(seal: Seal, verify: Any, change: tuple[bytes, bytes], reason: str) -> None:
    chain = await verify(seal().replace(*change))
    assert (chain.outcome, chain.reason) == ("fail", reason)
    assert chain.sealers == ()


async def test_a_set_that_stands_twice_breaks_the_chain(seal: Seal, verify: Any, specimen: bytes) -> None:
    raw = seal()
    fields = raw.removesuffix(specimen)
    assert (await verify(fields + raw)).outcome == "fail"


async def test_a_chain_of_a_hundred_sets_costs_no_look_up(verify: Any, zone: Any, specimen: bytes) -> None:
    raw = b"".join(b"ARC-Seal: i=%d; cv=none\r\n" % parse_number for parse_number in range(1, 100)) + specimen
    assert (await verify(raw)).outcome == "fail"
    assert zone.asked == []


async def test_a_dead_server_is_a_temporary_error(seal: Seal, verify: Any, zone: Any) -> None:
    raw = seal()
    zone.broken.add("s1._domainkey.lists.example.com")
    assert (await verify(raw)).outcome == "temperror"


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(fields=st.lists(st.binary(max_size=120), min_size=3, max_size=3))
async def test_nothing_a_stranger_writes_raises(verify: Any, fields: list[bytes]) -> None:
    names = (b"ARC-Seal", b"ARC-Message-Signature", b"ARC-Authentication-Results")
    raw = b"".join(name + b": i=1; " + field + b"\r\n" for name, field in zip(names, fields, strict=True))
    assert (await verify(raw + b"From: a@b.example\r\n\r\n")).outcome in ("fail", "none")

"""DKIM (RFC 6376): which signatures verify, and why others do not."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from datetime import datetime
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from libs.authentication import dkim
from libs.authentication.message import SignedMessage
from libs.mail.headers import Headers

Sign = Callable[..., bytes]
SPECIMENS = Path(__file__).parents[3] / "specimens" / "authentication"
FORMS = tuple(product((b"simple", b"relaxed"), repeat=2))


@pytest.fixture
def verify(zone: Any, now: datetime) -> Callable[[bytes], Any]:
    async def verified(raw: bytes) -> Any:
        return await dkim.verify(SignedMessage(raw, Headers(raw)), txt=zone.txt, now=now)

    return verified


@pytest.mark.parametrize("algorithm", ["rsa-sha256", "ed25519-sha256"])
@pytest.mark.parametrize("forms", FORMS)
async def test_a_signature_of_another_implementation_verifies(
    sign: Sign, verify: Any, algorithm: str, forms: tuple[bytes, bytes]
) -> None:
    (signed,) = await verify(sign(algorithm=algorithm, canonicalize=forms))
    assert (signed.outcome, signed.domain, signed.selector) == ("pass", "example.net", "s1")
    assert signed.algorithm == algorithm


@pytest.mark.parametrize("body", [b"", b"\r\n", b"\r\n\r\n", b"a", b" \r\n", b" \r\n \r\n", b"a \t\r\n", b"\r\r\n"])
@pytest.mark.parametrize("forms", FORMS)
async def test_bodies_at_the_edge_have_the_same_form_for_both(
    sign: Sign, verify: Any, body: bytes, forms: tuple[bytes, bytes]
) -> None:
    (signed,) = await verify(sign(b"From: a@example.net\r\n\r\n" + body, canonicalize=forms))
    assert signed.outcome == "pass"


async def test_relaxed_forms_forgive_white_space_and_simple_ones_do_not(sign: Sign, verify: Any) -> None:
    def reflowed(raw: bytes) -> bytes:
        return raw.replace(b"Bonjour \t tout\r\n  le monde", b"Bonjour tout le monde").replace(b"Un  mot", b"Un mot")

    assert (await verify(reflowed(sign(canonicalize=(b"relaxed", b"relaxed")))))[0].outcome == "pass"
    assert (await verify(reflowed(sign(canonicalize=(b"simple", b"relaxed")))))[0].outcome == "fail"
    assert (await verify(reflowed(sign(canonicalize=(b"relaxed", b"simple")))))[0].reason == "the body was changed"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ((b"un autre", b"un intrus"), "the body was changed"),
        ((b"jean@example.net>", b"paul@example.net>"), "the signature does not match the header"),
        ((b"s=s1", b"s=s2"), "no key"),
    ],
)
async def test_a_changed_message_fails(sign: Sign, verify: Any, change: tuple[bytes, bytes], reason: str) -> None:
    (signed,) = await verify(sign().replace(*change))
    assert signed.outcome in ("fail", "permerror")
    assert signed.reason == reason


async def test_a_second_author_put_on_top_breaks_the_signature_that_lists_one_more(sign: Sign, verify: Any) -> None:
    raw = sign(include_headers=[b"from", b"from", b"subject"])
    assert (await verify(raw))[0].outcome == "pass"
    assert (await verify(b"From: boss@example.org\r\n" + raw))[0].outcome == "fail"


async def test_a_body_that_is_signed_in_part_is_not_trusted(sign: Sign, verify: Any) -> None:
    raw = sign(length=True)
    assert (await verify(raw))[0].outcome == "pass"
    (signed,) = await verify(raw.rstrip() + b"\r\nand an advertisement\r\n")
    assert signed.outcome == "policy"
    assert "octets of the body" in signed.reason


@pytest.mark.parametrize(
    ("record", "outcome"),
    [
        ("v=DKIM1; p=", "permerror"),
        ("v=DKIM2; p={key}", "permerror"),
        ("k=rsa; v=DKIM1; p={key}", "permerror"),
        ("p={key}", "pass"),
        ("v=DKIM1; p=!!!", "permerror"),
        ("v=DKIM1; p=aGVsbG8=", "permerror"),
        ("v=DKIM1; k=ed25519; p={key}", "permerror"),
        ("v=DKIM1; h=sha1; p={key}", "policy"),
        ("v=DKIM1; h=sha1:sha256; p={key}", "pass"),
        ("v=DKIM1; s=tlsrpt; p={key}", "permerror"),
        ("v=DKIM1; s=*; n=note; p={key};", "pass"),
        ("v=DKIM1; p={key}; p={key}", "permerror"),
        ("p=" + "A" * 5000, "permerror"),
        ("", "permerror"),
    ],
)
async def test_a_key_record_is_usable_or_says_why_not(sign: Sign, verify: Any, record: str, outcome: str) -> None:
    assert (await verify(sign(record=record)))[0].outcome == outcome


async def test_weak_keys_and_keys_that_only_cost_time_are_not_used(sign: Sign, verify: Any) -> None:
    assert (await verify(sign(bits=1024)))[0].outcome == "pass"
    assert (await verify(sign(bits=4104)))[0].reason == "the key has 4104 bits"


async def test_a_failure_under_a_key_in_test_mode_is_neutral(sign: Sign, verify: Any) -> None:
    raw = sign(record="v=DKIM1; t=y; p={key}")
    assert (await verify(raw))[0].outcome == "pass"
    assert (await verify(raw.replace(b"autre", b"intrus")))[0].outcome == "neutral"


async def test_a_strict_key_does_not_sign_for_subdomains(sign: Sign, verify: Any) -> None:
    raw = sign(record="v=DKIM1; t=s; p={key}", identity=b"@news.example.net")
    assert (await verify(raw))[0].outcome == "permerror"
    assert (await verify(sign(identity=b"@news.example.net")))[0].outcome == "pass"


async def test_a_dead_server_is_a_temporary_error_of_that_signature_only(sign: Sign, verify: Any, zone: Any) -> None:
    raw = sign(sign(), domain="example.com")
    zone.broken.add("s1._domainkey.example.com")
    assert [each.outcome for each in await verify(raw)] == ["temperror", "pass"]


async def test_only_ten_signatures_are_looked_at(sign: Sign, verify: Any, zone: Any) -> None:
    field = b"DKIM-Signature: v=1; a=rsa-sha256; d=%d.example; s=s; h=from; bh=aaaa; b=aaaa\r\n"
    raw = b"".join(field % parse_number for parse_number in range(100)) + sign()
    assert len(await verify(raw)) == 10
    assert len(zone.asked) == 10


@pytest.mark.parametrize(
    ("field", "outcome"),
    [
        (b"v=1; a=rsa-sha1; d=example.net; s=s1; h=from; bh=aaaa; b=aaaa", "policy"),
        (b"v=1; a=rsa-sha256; s=s1; h=from; bh=aaaa; b=aaaa", "neutral"),
        (b"v=1; a=rsa-sha256; d=example.net; s=s1; h=subject; bh=aaaa; b=aaaa", "permerror"),
        (b"v=1; a=rsa-sha256; d=example.net; i=@example.com; s=s1; h=from; bh=aaaa; b=aaaa", "permerror"),
        (b"v=1; a=rsa-sha256; d=example.net; s=s1; h=from; bh=aaaa; b=aaaa; q=http", "permerror"),
        (b"v=1; a=rsa-sha256; d=example.net; s=s1; h=from; bh=aaaa; b=aaaa; l=many", "neutral"),
        (b"v=1; a=rsa-sha256; d=example.net; s=../s1; h=from; bh=aaaa; b=aaaa", "neutral"),
        (b"v=1; a=rsa-sha256; d=not a domain; s=s1; h=from; bh=aaaa; b=aaaa", "neutral"),
        (b"v=1; a=rsa-sha256; d=example.net; s=s1; c=nowsp; h=from; bh=aaaa; b=aaaa", "neutral"),
        (b"v=2; a=rsa-sha256; d=example.net; s=s1; h=from; bh=aaaa; b=aaaa", "permerror"),
        (b"v=; a=rsa-sha256; d=example.net; s=s1; h=from; bh=aaaa; b=aaaa", "permerror"),
        (b"v=1.0; a=rsa-sha256; d=example.net; s=s1; h=from; bh=aaaa; b=aaaa", "permerror"),
        (b"V=1; a=rsa-sha256; d=example.net; s=s1; h=from; bh=aaaa; b=aaaa", "permerror"),
        (b"a=rsa-sha256; d=example.net; s=s1; h=from; bh=aaaa; b=aaaa", "permerror"),
        (b"v=1; a=rsa-sha256; d=example.net; i=example.net; s=s1; h=from; bh=aaaa; b=aaaa", "neutral"),
        (b"v=1; a=rsa-sha256; d=example.net; s=s1; h=from; bh=aaaa; b=aaaa; l=-1", "neutral"),
        (b"v=1; a=rsa-sha256; d=example.net; s=s1; h=from; bh=aaaa; b=aaaa; l=1_0", "neutral"),
        (b"v=1; a=rsa-sha256; d=example.net; s=s1; h=from; bh=aaaa; b=aaaa; x=+1", "neutral"),
        (b"v=1; a=rsa-sha256; d=example.net; s=s1; h=from; bh=aaaa; b=aaaa; t=" + b"9" * 5000, "neutral"),
        (b"v=1; a=rsa-sha256; d=example.net.; s=s1; h=from; bh=aaaa; b=aaaa", "neutral"),
        (b"v=1; a=rsa-sha256; d=example..net; s=s1; h=from; bh=aaaa; b=aaaa", "neutral"),
        (b"v=1; a=rsa-sha256; a=rsa-sha256; d=example.net; s=s1; h=from; bh=aaaa; b=aaaa", "neutral"),
        (b"no tags at all", "neutral"),
        (b"", "neutral"),
        (b"v=1; b=" + b"A" * 20_000, "policy"),
    ],
)
async def test_signatures_that_decide_nothing(verify: Any, specimen: bytes, field: bytes, outcome: str) -> None:
    (signed,) = await verify(b"DKIM-Signature: " + field + b"\r\n" + specimen)
    assert signed.outcome == outcome
    assert signed.reason.isprintable()


async def test_an_expired_signature_does_not_count(sign: Sign, verify: Any) -> None:
    raw = sign().replace(b"DKIM-Signature: v=1;", b"DKIM-Signature: v=1; x=1000000000;")
    assert (await verify(raw))[0].reason == "the signature expired"


async def test_a_signature_that_expires_before_it_was_made_does_not_count_and_one_from_the_future_does(
    sign: Sign, verify: Any
) -> None:
    assert (await verify(re.sub(rb"t=[0-9]+", b"t=9000000000; x=9000000000", sign())))[0].outcome == "permerror"
    raw = sign(canonicalize=(b"relaxed", b"relaxed"))
    assert int(re.search(rb"t=([0-9]+)", raw)[1]) > 1_700_000_000  # type: ignore[index]
    assert (await verify(raw))[0].outcome == "pass"


@pytest.mark.parametrize("domain", ["a_b.d.example", "_x.d.example", "d-.example", "xn--bnk-qla.example"])
@pytest.mark.parametrize("selector", [b"s1", b"a_b", b"_s", b"2026.s-1"])
async def test_a_domain_and_a_selector_need_not_be_host_names(
    sign: Sign, verify: Any, zone: Any, domain: str, selector: bytes
) -> None:
    raw = sign(domain=domain, selector=selector)
    (signed,) = await verify(raw)
    assert (signed.outcome, signed.domain, signed.selector) == ("pass", domain, selector.decode())
    assert zone.asked == [f"{selector.decode()}._domainkey.{domain}"]


def specimens() -> dict[str, tuple[bytes, str, list[str], str]]:
    """name -> (message, name of the key, its record, what is right)."""
    record = [(SPECIMENS / "dkim-key.txt").read_text().strip()]
    return {
        name: ((SPECIMENS / f"{name}.eml").read_bytes(), key, record, outcome)
        for name, key, outcome in (
            ("dkim-domain-underscore", "s._domainkey.a_b.d.example", "pass"),
            ("dkim-own-field-in-h", "s._domainkey.d.example", "pass"),
            ("dkim-version-2", "s._domainkey.d.example", "permerror"),
        )
    }


@pytest.mark.parametrize("name", specimens())
async def test_what_users_of_other_systems_met(verify: Any, zone: Any, name: str) -> None:
    raw, key, record, outcome = specimens()[name]
    zone.records[key] = record
    assert [each.outcome for each in await verify(raw)] == [outcome]


async def test_a_signature_may_name_the_other_signatures_and_never_means_itself(
    sign: Sign, verify: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dkim.DKIM.SHOULD_NOT", ())
    first = sign(domain="example.com")
    second = sign(first, include_headers=[b"from", b"dkim-signature", b"dkim-signature", b"subject"])
    assert [each.outcome for each in await verify(second)] == ["pass", "pass"]
    # The younger signature covers the older one: without it, it does not verify.
    without = second[: len(second) - len(first)] + first[first.index(b"\r\nReceived") + 2 :]
    assert [each.outcome for each in await verify(without)] == ["fail"]


async def test_a_key_in_the_form_of_the_first_standard_is_taken_as_well(
    sign: Sign, verify: Any, zone: Any, rsa_keys: Callable[[int], RSAPrivateKey]
) -> None:
    """RFC 6376 3.6.1 says RSAPublicKey, its appendix C shows SubjectPublicKeyInfo: both are in the DNS."""
    raw = sign()
    der = rsa_keys(2048).public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1)
    zone.records["s1._domainkey.example.net"] = [f"v=DKIM1; p={base64.b64encode(der).decode()}"]
    assert (await verify(raw))[0].outcome == "pass"


async def test_a_message_with_bare_line_feeds_is_read_as_it_was_signed(sign: Sign, verify: Any) -> None:
    assert (await verify(sign().replace(b"\r\n", b"\n")))[0].outcome == "pass"


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(field=st.binary(max_size=300), body=st.binary(max_size=100))
async def test_nothing_a_stranger_writes_raises(verify: Any, field: bytes, body: bytes) -> None:
    for signed in await verify(b"DKIM-Signature: " + field + b"\r\nFrom: a@b.example\r\n\r\n" + body):
        assert signed.outcome != "pass"

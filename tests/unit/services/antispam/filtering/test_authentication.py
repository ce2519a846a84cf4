"""SPF, DKIM, ARC and DMARC of a message: the filters, what vouches for it, and the results in its header."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import authres
import pytest

from libs.envelope import Peer, Temporary
from services.antispam.filtering.authentication import spf_of
from services.antispam.filtering.authentication_results import authentication_results_of
from services.antispam.filtering.context import FilterContext
from services.antispam.filters import (
    arc,
    automatic_whitelist,
    dkim,
    dmarc,
    sender_whitelist,
    spf,
)
from tests.servers.zone import Zone as Dns
from tests.specimens.antispam import a_context, a_rulebook, a_view, an_environment

Sign = Callable[..., bytes]
REJECT = ("_dmarc.example.net", "v=DMARC1; p=reject")
FAILS = ("elsewhere.example", "v=spf1 -all")
PASSES = ("example.net", "v=spf1 ip4:192.0.2.1 -all")


@pytest.fixture
def context(zone: Any) -> Callable[..., FilterContext]:
    """With the keys that signatures left in `zone`, and more records."""

    def of(*more: tuple[str, str], trusted: str = "") -> FilterContext:
        kept = [(name, record) for name, records in zone.records.items() for record in records]
        dns = Dns("\n".join(f"{name} TXT {_strings(record)}" for name, record in (*kept, *more)))
        for name in zone.broken:
            dns.fail(name, "SERVFAIL")
        return a_context(environment=replace(an_environment(zone=dns), arc_trusted_sealers=frozenset({trusted})))

    return of


def _strings(record: str) -> str:
    return " ".join(f'"{record[at : at + 200]}"' for at in range(0, len(record), 200))


async def test_a_signature_that_verifies_is_no_hit_and_another_is(sign: Sign, context: Any) -> None:
    assert (await dkim.check(a_view(sign()), context())).outcome == "miss"
    report = await dkim.check(a_view(sign().replace(b"autre", b"intrus")), context())
    assert (report.outcome, report.reason) == ("hit", "example.net: the body was changed")


async def test_one_signature_that_verifies_is_enough(sign: Sign, context: Any) -> None:
    raw = sign(sign(domain="example.com").replace(b"Bonjour", b"[list] Bonjour"), domain="example.net")
    assert (await dkim.check(a_view(raw), context())).outcome == "miss"


async def test_what_nobody_signed_asks_nothing(specimen: bytes, context: Any) -> None:
    assert not dkim.needs_lookup(a_view(specimen), context())
    assert not arc.needs_lookup(a_view(specimen), context())
    assert (await dkim.check(a_view(specimen), context())).outcome == "miss"


async def test_mail_of_ours_is_not_asked_about(sign: Sign, context: Any) -> None:
    ours = a_view(sign(), peer=Peer(address="127.0.0.1"))
    for each in (dkim, arc, dmarc):
        assert not each.needs_lookup(ours, context())
        assert (await each.check(ours, context())).outcome == "miss"
    assert authentication_results_of(ours) is None


async def test_a_dead_server_is_an_error_of_the_filter(sign: Sign, zone: Any, context: Any) -> None:
    raw = sign()
    zone.broken.add("s1._domainkey.example.net")
    del zone.records["s1._domainkey.example.net"]
    for each in (dkim, dmarc):
        with pytest.raises(Temporary):
            await each.check(a_view(raw), context(REJECT))


@pytest.mark.parametrize(("asked", "strength"), [("reject", 1.0), ("quarantine", 0.8), ("none", 0.1)])
async def test_a_forged_author_is_a_hit_as_strong_as_the_domain_asks_for(
    specimen: bytes, context: Any, asked: str, strength: float
) -> None:
    report = await dmarc.check(a_view(specimen), context(FAILS, ("_dmarc.example.net", f"v=DMARC1; p={asked}")))
    assert (report.outcome, report.strength) == ("hit", strength)


async def test_spf_or_a_signature_of_the_author_is_enough(sign: Sign, specimen: bytes, context: Any) -> None:
    by_spf = a_view(specimen, mail_from="bounce@example.net")
    assert (await dmarc.check(by_spf, context(PASSES, REJECT))).outcome == "miss"
    assert (await dmarc.check(a_view(sign()), context(FAILS, REJECT))).outcome == "miss"


async def test_forwarded_mail_with_valid_arc_is_not_rejected(seal: Sign, context: Any) -> None:
    report = await arc.check(a_view(seal()), context(trusted="lists.example.com"))
    assert (report.outcome, set(report.exempts)) == ("hit", {"dmarc"})


async def test_anybody_can_seal(seal: Sign, context: Any) -> None:
    assert (await arc.check(a_view(seal()), context(trusted="other.example"))).outcome == "miss"
    broken = seal().replace(b"dmarc=pass", b"dmarc=PASS ")
    assert (await arc.check(a_view(broken), context(trusted="lists.example.com"))).outcome == "miss"


def forged(raw: bytes, mail_from: str = "jean@example.net") -> Any:
    return a_view(raw, mail_from=mail_from)


DISOWNED = ("example.net", "v=spf1 -all")


async def spf_says(view: Any, where: FilterContext) -> list[str]:
    return [(await check(view, where)).outcome for check in (spf.spf, spf.spf_strict, spf.spf_vouched)]


async def test_without_a_witness_a_fail_of_spf_decides(specimen: bytes, sign: Sign, context: Any) -> None:
    where = context(DISOWNED)
    assert await spf_says(forged(specimen), where) == ["hit", "hit", "miss"]
    broken = forged(sign().replace(b"autre", b"intrus"))
    assert await spf_says(broken, context(DISOWNED)) == ["hit", "hit", "miss"]


@pytest.mark.parametrize("record", ["v=DMARC1; p=reject", "v=DMARC1; p=none", "v=spf1 -all"])
@pytest.mark.parametrize("domain", ["example.net", "mail.example.net"])
async def test_an_aligned_signature_outweighs_a_fail_of_spf(sign: Sign, context: Any, record: str, domain: str) -> None:
    view = forged(sign(domain=domain))
    assert await spf_says(view, context(DISOWNED, ("_dmarc.example.net", record))) == ["miss", "hit", "hit"]
    reason = (await spf.spf_vouched(view, context())).reason
    assert reason == f"example.net: -all, but DKIM of {domain} passes"


async def test_a_signature_of_somebody_else_outweighs_nothing(sign: Sign, context: Any) -> None:
    assert await spf_says(forged(sign(domain="attacker.example")), context(DISOWNED)) == ["hit", "hit", "miss"]
    strict = ("_dmarc.example.net", "v=DMARC1; p=reject; adkim=s")
    assert await spf_says(forged(sign(domain="mail.example.net")), context(DISOWNED, strict)) == ["hit", "hit", "miss"]
    two = sign().replace(b"From: Jean", b"From: ceo@bank.example, Jean")
    assert await spf_says(forged(two), context(DISOWNED)) == ["hit", "hit", "miss"]


async def test_a_witness_whose_dns_is_dead_outweighs_nothing(sign: Sign, zone: Any, context: Any) -> None:
    raw = sign()
    zone.broken.add("s1._domainkey.example.net")
    del zone.records["s1._domainkey.example.net"]
    assert await spf_says(forged(raw), context(DISOWNED)) == ["hit", "hit", "miss"]


@pytest.mark.parametrize(
    "result", ["dmarc=pass", "spf=pass smtp.mailfrom=example.net", "dkim=pass header.d=example.net"]
)
async def test_a_trusted_chain_outweighs_a_fail_of_spf(seal: Sign, context: Any, result: str) -> None:
    view = forged(seal(seen=result))
    assert await spf_says(view, context(DISOWNED, trusted="lists.example.com")) == ["miss", "hit", "hit"]
    assert await spf_says(forged(seal(seen=result)), context(DISOWNED, trusted="other.example")) == [
        "hit",
        "hit",
        "miss",
    ]


@pytest.mark.parametrize(
    "result",
    [
        "dmarc=fail",
        "spf=softfail",
        'spf=fail smtp.mailfrom="a; dmarc=pass b"@example.net',
        "dmarc=fail (he said (dmarc=pass) ; dmarc=pass )",
        r"dmarc=fail (\) ; dmarc=pass )",
        'dmarc=fail (" ( " ) ; dmarc=pass )',
        "xdmarc=pass",
        "dmarc=passed",
    ],
)
async def test_what_a_trusted_sealer_did_not_see_pass_outweighs_nothing(seal: Sign, context: Any, result: str) -> None:
    where = context(DISOWNED, trusted="lists.example.com")
    view = forged(seal(seen=result))
    assert await spf_says(view, where) == ["hit", "hit", "miss"]
    assert (await arc.check(view, where)).outcome == "miss"


async def test_a_forged_envelope_sender_does_not_profit_from_the_white_lists_of_another(
    sign: Sign, context: Any
) -> None:
    """The message is vouched for by its author, who is not the sender whom the lists know."""
    book = a_rulebook(white=("jean@example.net", "once@elsewhere.example"))

    async def whitelisted(raw: bytes, mail_from: str, *records: tuple[str, str]) -> list[str]:
        where = replace(context(*records), books=(book,))
        view = forged(raw, mail_from)
        await spf.spf(view, where)
        return [(await each.check(view, where)).outcome for each in (sender_whitelist, automatic_whitelist)]

    attacker = sign(domain="attacker.example").replace(b"Jean Toto <jean@example.net>", b"x@attacker.example")
    theirs = sign(attacker[attacker.index(b"Received") :], domain="attacker.example")
    own = sign()
    assert await whitelisted(theirs, "once@elsewhere.example", FAILS) == ["miss", "miss"]
    assert await whitelisted(theirs, "once@elsewhere.example") == ["hit", "hit"]  # SPF says nothing
    assert await whitelisted(own, "jean@example.net", DISOWNED) == ["hit", "miss"]


async def test_the_headers_say_what_was_tried(sign: Sign, context: Any) -> None:
    view, where = a_view(sign(), mail_from="bounce@elsewhere.example"), context(FAILS, REJECT)
    await spf_of(view, where)
    await dkim.check(view, where)
    await dmarc.check(view, where)
    written = authres.AuthenticationResultsHeader.parse(f"Authentication-Results: h; {authentication_results_of(view)}")
    assert [(each.method, each.result) for each in written.results] == [
        ("spf", "fail"),
        ("dkim", "pass"),
        ("dmarc", "pass"),
    ]
    assert written.results[0].smtp_mailfrom == "bounce@elsewhere.example"
    assert written.results[1].header_d == "example.net"


async def test_where_nothing_was_asked_nothing_is_written(specimen: bytes) -> None:
    assert authentication_results_of(a_view(specimen)) is None

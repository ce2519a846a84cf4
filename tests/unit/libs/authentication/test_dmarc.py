"""DMARC (RFC 7489): which record counts, which identifiers are aligned, which policy is requested."""

from __future__ import annotations

from typing import Any

import pytest

from libs.authentication import dmarc
from libs.authentication.dmarc import AuthenticatedIdentifier, DmarcResult


def organizational(domain: str) -> str:
    return ".".join(domain.split(".")[-2:]) if "." in domain else ""


def proven(spf: str, *signers: str) -> list[AuthenticatedIdentifier]:
    return [AuthenticatedIdentifier("spf", spf, "pass")] * bool(spf) + [
        AuthenticatedIdentifier("dkim", domain, "pass") for domain in signers
    ]


async def evaluate(
    zone: Any, *authors: str, identifiers: list[AuthenticatedIdentifier] | None = None, sample: int = 0
) -> DmarcResult:
    async def gathered() -> list[AuthenticatedIdentifier]:
        return identifiers or []

    return await dmarc.evaluate(
        authors, gathered(), txt=zone.txt, organizational=organizational, sample=sample
    )  # fmt: skip


@pytest.mark.parametrize(
    ("record", "spf", "signers", "outcome"),
    [
        ("v=DMARC1; p=reject", "example.net", (), "pass"),
        ("v=DMARC1; p=reject", "bounces.example.net", (), "pass"),
        ("v=DMARC1; p=reject; aspf=s", "bounces.example.net", (), "fail"),
        ("v=DMARC1; p=reject", "", ("example.net",), "pass"),
        ("v=DMARC1; p=reject", "", ("mail.example.net",), "pass"),
        ("v=DMARC1; p=reject; adkim=s", "", ("mail.example.net",), "fail"),
        ("v=DMARC1; p=reject; adkim=s", "", ("mail.example.net", "example.net"), "pass"),
        ("v=DMARC1; p=reject", "example.com", ("lists.example.org",), "fail"),
        ("v=DMARC1; p=reject", "", (), "fail"),
    ],
)
async def test_an_aligned_identifier_passes_and_another_does_not(
    zone: Any, record: str, spf: str, signers: tuple[str, ...], outcome: str
) -> None:
    zone.records["_dmarc.example.net"] = [record]
    found = await evaluate(zone, "jean@example.net", identifiers=proven(spf, *signers))
    assert found.outcome == outcome
    assert found.policy == ("reject" if outcome == "fail" else "none")


@pytest.mark.parametrize(
    ("records", "asked"),
    [
        ({"_dmarc.news.example.net": "v=DMARC1; p=none", "_dmarc.example.net": "v=DMARC1; p=reject"}, "none"),
        ({"_dmarc.example.net": "v=DMARC1; p=reject"}, "reject"),
        ({"_dmarc.example.net": "v=DMARC1; p=reject; sp=quarantine"}, "quarantine"),
        ({"_dmarc.example.net": "v=DMARC1; p=none; sp=reject"}, "reject"),
    ],
)
async def test_a_subdomain_has_its_own_record_or_that_of_its_organization(
    zone: Any, records: dict[str, str], asked: str
) -> None:
    zone.records.update({name: [record] for name, record in records.items()})
    found = await evaluate(zone, "jean@news.example.net")
    assert (found.outcome, found.policy) == ("fail", asked)


REJECT = "v=DMARC1; p=reject"


@pytest.mark.parametrize(
    "records",
    [
        [],
        ["v=spf1 -all"],
        [REJECT, "v=DMARC1; p=none"],
        ["v=DMARC1"],
        ["v=DMARC1; p=burn"],
        ["v=DMARC1; p=burn; rua="],
        ["v=DMARC1; p=burn; rua=nobody"],
        ["v=DMARC1; p=reject; sp=burn"],
        ["v=DMARC1; p=reject; p=none"],
        ["p=reject; v=DMARC1"],
        ["v=DMARC2; p=reject"],
        ["v=dmarc1; p=reject"],
        ["v=DMARC1 p=reject"],
        ["v=DMARC10; p=reject"],
        ["x; v=DMARC1; p=reject"],
    ],
)
async def test_a_record_without_a_policy_requests_nothing(zone: Any, records: list[str]) -> None:
    zone.records["_dmarc.example.net"] = records
    assert (await evaluate(zone, "jean@example.net")).outcome == "none"


@pytest.mark.parametrize(
    "record",
    [
        *("v=DMARC1; p=reject;;", "v=DMARC1;; p=reject", "v=DMARC1;p=reject", "v=DMARC1; p=reject; ; ;"),
        *("v=DMARC1; p=reject; bogus", "v=DMARC1; p=reject; rf-x=1", "v=DMARC1; p=reject; =", "v=DMARC1; =x; p=reject"),
        *("V=DMARC1; P=REJECT", "v=DMARC1; p=Reject", "v = DMARC1 ; p = reject ;", "v=DMARC1\t;\tp=\treject"),
        *(" v=DMARC1; p=reject", "v=DMARC1; fo=1:d; p=reject", "v=DMARC1; np=none; t=y; psd=n; p=reject"),
        *("v=DMARC1; p=reject; x=1; x=2", "v=DMARC1; p=reject; p=reject", "v=DMARC1; p=reject; sp=NONE"),
        *("v=DMARC1; p=reject; pct=100; pct=100", "v=DMARC1; p=reject; pct=101", "v=DMARC1; p=reject; pct=-1"),
        *("v=DMARC1; p=reject; pct=", "v=DMARC1; p=reject; pct=\u0664\u0662", "v=DMARC1; p=reject; adkim=x; aspf="),
        *("v=DMARC1; p=reject; ri=many; rf=afrf; ruf=\ufffd", 'v=DMARC1; p=reject; note="a=b"', "v=DMARC1; p=reject\n"),
    ],
)
async def test_a_slip_in_a_record_does_not_take_its_request_away(zone: Any, record: str) -> None:
    zone.records["_dmarc.example.net"] = ["v=spf1 -all", record]
    found = await evaluate(zone, "jean@example.net")
    assert (found.outcome, found.policy) == ("fail", "reject")


@pytest.mark.parametrize("tag", ["p=burn; ", "", "p=reject; sp=burn; "])
@pytest.mark.parametrize("reports", ["mailto:a@example.net", "nobody, mailto:a@example.net!10m"])
async def test_an_owner_who_cannot_say_what_is_wanted_but_wants_reports_only_watches(
    zone: Any, tag: str, reports: str
) -> None:
    zone.records["_dmarc.example.net"] = [f"v=DMARC1; {tag}rua={reports}"]
    found = await evaluate(zone, "jean@example.net")
    assert (found.outcome, found.policy) == ("fail", "none")


async def test_several_records_of_a_subdomain_end_the_search(zone: Any) -> None:
    zone.records["_dmarc.example.net"] = [REJECT]
    zone.records["_dmarc.news.example.net"] = [REJECT, REJECT]
    assert (await evaluate(zone, "jean@news.example.net")).outcome == "none"
    zone.records["_dmarc.news.example.net"] = ["v=spf1 -all", "other"]
    assert (await evaluate(zone, "jean@news.example.net")).policy == "reject"


@pytest.mark.parametrize(
    ("author", "domain"),
    [
        ("ceo@x_y.bank.example", "x_y.bank.example"),
        ("ceo@bank.example.", "bank.example"),
        ("ceo@BANK.Example", "bank.example"),
        ("ceo @ bank . example", "bank.example"),
        ("ceo@bank..example", "bank.example"),
        ("ceo@-bank-.bank.example", "-bank-.bank.example"),
        ("ceo@bank.example (the boss)", "bank.example"),
        ("ceo@bank.example the boss", "bank.example"),
        ("ceo@bank.example@bank.example", "bank.example"),
        ('"a@b.example"@bank.example', "bank.example"),
        ("=?utf-8?q?ceo=40bank.example?=", "bank.example"),
        (f"ceo@{'a' * 64}.bank.example", f"{'a' * 64}.bank.example"),
        (f"ceo@{'a' * 300}.bank.example", "bank.example"),
        (f"ceo@{'a.' * 5000}bank.example", f"{'a.' * 117}bank.example"),
        ("ceo@b\u00e4nk.example", "xn--bnk-qla.example"),
        ("ceo@B\u00c4NK.example", "xn--bnk-qla.example"),
        ("ceo@XN--bnk-qla.example", "xn--bnk-qla.example"),
        ("ceo@b\u00e4nk\u3002example", "xn--bnk-qla.example"),
        ("ceo@\u2615.example", "xn--53h.example"),
        ("ceo@bank.example\u200b", "bank.example"),
    ],
)
async def test_what_stands_in_from_is_judged_whether_a_host_may_be_called_so_or_not(
    zone: Any, author: str, domain: str
) -> None:
    zone.records[f"_dmarc.{domain if domain.count('.') == 1 else 'bank.example'}"] = [REJECT]
    found = await evaluate(zone, author, identifiers=proven("attacker.example", "attacker.example"))
    assert (found.outcome, found.domain, found.policy) == ("fail", domain, "reject")
    assert (await evaluate(zone, author, identifiers=proven("", domain))).outcome == "pass"


@pytest.mark.parametrize(
    ("percent", "sample", "asked"),
    [
        ("100", 99, "reject"),
        ("50", 49, "reject"),
        ("50", 50, "quarantine"),
        ("0", 0, "quarantine"),
        ("x", 99, "reject"),
    ],
)
async def test_a_request_is_meant_for_a_part_of_the_mail(zone: Any, percent: str, sample: int, asked: str) -> None:
    zone.records["_dmarc.example.net"] = [f"v=DMARC1; p=reject; pct={percent}"]
    assert (await evaluate(zone, "jean@example.net", sample=sample)).policy == asked


@pytest.mark.parametrize(
    ("records", "spf", "outcome", "request_"),
    [
        ({}, "example.net", "none", "none"),
        ({"example.net": "reject"}, "example.net", "none", "none"),
        ({"example.net": "reject", "example.com": "none"}, "example.net", "fail", "none"),
        ({"example.net": "reject", "example.com": "quarantine"}, "", "fail", "reject"),
        ({"example.com": "reject"}, "example.net", "fail", "reject"),
    ],
)
async def test_of_authors_of_several_domains_the_strictest_that_fails_decides(
    zone: Any, records: dict[str, str], spf: str, outcome: str, request_: str
) -> None:
    zone.records.update({f"_dmarc.{name}": [f"v=DMARC1; p={asked}"] for name, asked in records.items()})
    found = await evaluate(zone, "a@example.net", "b@example.com", identifiers=proven(spf))
    assert (found.outcome, found.policy) == (outcome, request_)


async def test_a_crowd_of_authors_hides_nobody_and_costs_nothing(zone: Any) -> None:
    zone.records["_dmarc.bank.example"] = [REJECT]
    crowd = [f"a@d{parse_number}.example" for parse_number in range(5000)]
    found = await evaluate(zone, *crowd, "ceo@bank.example")
    assert (found.outcome, found.policy, zone.asked) == ("fail", "reject", [])
    same = ["a@attacker.example"] * 5000
    found = await evaluate(zone, *same, "ceo@bank.example", identifiers=proven("attacker.example"))
    assert (found.outcome, found.policy, found.domain) == ("fail", "reject", "bank.example")


@pytest.mark.parametrize("authors", [[], [""], ["jean"], ["jean@[192.0.2.1]"], ["jean@"]])
async def test_without_an_author_there_is_nothing_to_align_with(zone: Any, authors: list[str]) -> None:
    assert (await evaluate(zone, *authors)).outcome == "permerror"


@pytest.mark.parametrize(
    ("method", "domain", "record", "outcome"),
    [
        ("spf", "bank.example", REJECT, "temperror"),
        ("spf", "mail.bank.example", REJECT, "temperror"),
        ("spf", "mail.bank.example", f"{REJECT}; aspf=s", "fail"),
        ("spf", "spf.attacker.example", REJECT, "fail"),
        ("dkim", "bank.example", REJECT, "temperror"),
        ("dkim", "mail.bank.example", f"{REJECT}; adkim=s", "fail"),
        ("dkim", "attacker.example", REJECT, "fail"),
        ("dkim", "", REJECT, "fail"),
    ],
)
async def test_only_a_domain_that_could_prove_the_author_is_waited_for(
    zone: Any, method: Any, domain: str, record: str, outcome: str
) -> None:
    zone.records["_dmarc.bank.example"] = [record]
    found = await evaluate(zone, "ceo@bank.example", identifiers=[AuthenticatedIdentifier(method, domain, "temperror")])
    assert found.outcome == outcome


async def test_domains_without_an_organization_are_not_aligned_with_each_other(zone: Any) -> None:
    zone.records["_dmarc.com"] = [REJECT]
    assert (await evaluate(zone, "a@com", identifiers=proven("net"))).outcome == "fail"
    assert (await evaluate(zone, "a@com", identifiers=proven("com"))).outcome == "pass"


async def test_a_subdomain_that_does_not_answer_leaves_the_word_to_its_organization(zone: Any) -> None:
    zone.broken.add("_dmarc.dead.bank.example")
    assert (await evaluate(zone, "ceo@dead.bank.example")).outcome == "temperror"
    zone.records["_dmarc.bank.example"] = [f"{REJECT}; sp=quarantine"]
    found = await evaluate(zone, "ceo@dead.bank.example")
    assert (found.outcome, found.policy) == ("fail", "quarantine")
    zone.broken.add("_dmarc.bank.example")
    assert (await evaluate(zone, "ceo@bank.example")).outcome == "temperror"

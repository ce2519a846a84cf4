"""DMARC, RFC 7489: whose record counts, what is aligned, what is asked."""

from __future__ import annotations

from typing import Any

import pytest

from services.antispam.authentication import dmarc
from services.antispam.authentication.dkim import Signed
from services.antispam.authentication.dmarc import Dmarc, Evidence


def organizational(domain: str) -> str:
    return ".".join(domain.split(".")[-2:])


def signed_by(*domains: str) -> tuple[Signed, ...]:
    return tuple(Signed("pass", domain=domain) for domain in domains)


async def evaluate(zone: Any, author: str, *, spf: str = "", dkim: tuple[Signed, ...] = (), **more: Any) -> Dmarc:
    uncertain = more.pop("uncertain", False)

    async def evidence() -> Evidence:
        return Evidence(spf, dkim, uncertain)

    return await dmarc.evaluate(
        [author] if author else more.pop("authors"), evidence(), txt=zone.txt, organizational=organizational,
        sample=more.pop("sample", 0),
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
async def test_alignment(zone: Any, record: str, spf: str, signers: tuple[str, ...], outcome: str) -> None:
    zone.records["_dmarc.example.net"] = [record]
    found = await evaluate(zone, "jean@example.net", spf=spf, dkim=signed_by(*signers))
    assert found.outcome == outcome
    assert found.request == ("reject" if outcome == "fail" else "none")


async def test_a_signature_that_does_not_hold_proves_nothing(zone: Any) -> None:
    zone.records["_dmarc.example.net"] = ["v=DMARC1; p=reject"]
    broken = (Signed("fail", domain="example.net"),)
    assert (await evaluate(zone, "jean@example.net", dkim=broken)).outcome == "fail"


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
    assert (found.outcome, found.request) == ("fail", asked)


@pytest.mark.parametrize(
    "records",
    [
        [],
        ["v=spf1 -all"],
        ["v=DMARC1; p=reject", "v=DMARC1; p=none"],
        ["v=DMARC1"],
        ["v=DMARC1; p=burn"],
        ["v=DMARC1; p=reject; p=none"],
        ["p=reject; v=DMARC1"],
        ["v=DMARC2; p=reject"],
    ],
)
async def test_what_is_no_policy_asks_nothing(zone: Any, records: list[str]) -> None:
    zone.records["_dmarc.example.net"] = records
    assert (await evaluate(zone, "jean@example.net")).outcome == "none"


async def test_a_bad_request_with_reports_wanted_only_watches(zone: Any) -> None:
    zone.records["_dmarc.example.net"] = ["v=DMARC1; p=burn; rua=mailto:a@example.net"]
    assert await evaluate(zone, "jean@example.net") == Dmarc(
        "fail", "neither SPF nor DKIM speaks for the author", "example.net", "none"
    )


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
    assert (await evaluate(zone, "jean@example.net", sample=sample)).request == asked


async def test_authors_of_several_domains_never_pass(zone: Any) -> None:
    found = await evaluate(zone, "", authors=["a@example.net", "b@example.com"], spf="example.net")
    assert (found.outcome, found.request) == ("fail", "reject")


@pytest.mark.parametrize("authors", [[], [""], ["jean"], ["jean@not a domain"]])
async def test_without_an_author_there_is_nothing_to_align_with(zone: Any, authors: list[str]) -> None:
    assert (await evaluate(zone, "", authors=authors)).outcome == "permerror"


async def test_doubt_is_no_failure(zone: Any) -> None:
    zone.records["_dmarc.example.net"] = ["v=DMARC1; p=reject"]
    assert (await evaluate(zone, "jean@example.net", uncertain=True)).outcome == "temperror"
    zone.broken.add("_dmarc.example.net")
    assert (await evaluate(zone, "jean@example.net")).outcome == "temperror"

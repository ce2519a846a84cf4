"""Messages that `invalid_mx` hits, and messages that it leaves alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from libs.envelope import Temporary
from services.antispam.filtering.context import LookupSettings
from tests.specimens.antispam import a_context, a_view, an_environment
from tests.specimens.filter_cases import STEPS, Case, filter_tests, helo, report_on

HITS = (
    Case("invalid_mx", "no such domain", None, {"mail_from": "jean@nowhere.example"}),
    Case("invalid_mx", "no mail wanted", None, {"mail_from": "jean@deaf.example"}),
    Case("invalid_mx", "an address alone", None, {"mail_from": "jean@without-mx.example"}),
    Case("invalid_mx", "a name without either", None, {"mail_from": "jean@forged.example"}),
    Case("invalid_mx", "an address literal", None, {"mail_from": "jean@[192.0.2.1]"}),
)
MISSES = (
    Case("invalid_mx", "a good one"),
    Case("invalid_mx", "the null sender", None, {"mail_from": ""}),
    Case("invalid_mx", "a machine of ours", None, {"mail_from": "a@nowhere.example", **helo("x", address="127.0.0.1")}),
)

test_hits, test_misses = filter_tests(HITS, MISSES)


async def test_an_address_without_mx_counts_as_much_as_administrators_say() -> None:
    view, check = a_view(mail_from="jean@without-mx.example"), STEPS["invalid_mx"].check
    assert (await check(view, a_context())).strength == 0.5
    none = replace(an_environment(), lookups=LookupSettings(address_without_mx=0))
    assert (await check(view, a_context(environment=none))).outcome == "miss"


async def test_a_question_that_nobody_answers_is_temporary_and_says_why() -> None:
    with pytest.raises(Temporary, match=r"silent\.example"):
        await report_on(Case("invalid_mx", "no answer", None, {"mail_from": "jean@silent.example"}))

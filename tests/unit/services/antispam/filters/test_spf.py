"""Messages that the filters of SPF hit, and messages that they leave alone."""

from __future__ import annotations

import pytest

from libs.envelope import Temporary
from services.antispam.filtering.context import FilterContext
from tests.specimens.filter_cases import SIGNED_IN, Case, filter_tests, helo, report_on
from tests.specimens.signed_mail import signed, with_key


def forwarded() -> FilterContext:
    return with_key("elsewhere.example", 'elsewhere.example TXT "v=spf1 -all"')


HITS = (
    Case("spf", "not from there", None, {"mail_from": "boss@forged.example"}),
    Case("spf", "HELO for the null sender", None, {"mail_from": "", **helo("forged.example")}),
    Case("spf_strict", "not from there", None, {"mail_from": "boss@forged.example"}),
    Case("spf_softfail", "not quite", None, {"mail_from": "boss@wary.example"}),
    Case("spf_permerror", "no network", None, {"mail_from": "boss@wrong.example"}),
    Case("spf_none", "no record", None, {"mail_from": "boss@deaf.example"}),
    Case("spf_none", "neutral", None, {"mail_from": "boss@vague.example"}),
    Case("spf_vouched", "a signature of the author", signed(), context=forwarded),
)
MISSES = (
    Case("spf", "from there"),
    Case("spf", "a machine of ours", None, {"mail_from": "boss@forged.example", **helo("x", address="127.0.0.1")}),
    Case("spf", "signed in", None, {"mail_from": "boss@forged.example", **SIGNED_IN}),
    Case("spf", "softfail", None, {"mail_from": "boss@wary.example"}),
    Case("spf_strict", "softfail", None, {"mail_from": "boss@wary.example"}),
    Case("spf_softfail", "pass"),
    Case("spf_softfail", "signed in", None, {"mail_from": "boss@wary.example", **SIGNED_IN}),
    Case("spf_permerror", "pass"),
    Case("spf_permerror", "signed in", None, {"mail_from": "boss@wrong.example", **SIGNED_IN}),
    Case("spf_none", "pass"),
    Case("spf_none", "signed in", None, {"mail_from": "boss@deaf.example", **SIGNED_IN}),
    Case("spf_vouched", "nothing vouches", context=forwarded),
    Case("spf_vouched", "pass"),
)

test_hits, test_misses = filter_tests(HITS, MISSES)


async def test_a_question_that_nobody_answers_is_temporary_and_says_why() -> None:
    with pytest.raises(Temporary, match=r"silent\.example"):
        await report_on(Case("spf", "no answer", None, {"mail_from": "jean@silent.example"}))

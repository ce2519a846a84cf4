"""`Authentication-Results`, RFC 8601: another implementation reads what we write."""

from __future__ import annotations

import authres
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.mail.authentication_results import MethodResult, claims_to_be, rendered_results


def read(results: list[MethodResult]) -> list[authres.AuthenticationResult]:
    value = f"Authentication-Results: mail.example.org; {rendered_results(results)}"
    return list(authres.AuthenticationResultsHeader.parse(value).results)


def test_methods_with_their_reasons_and_properties() -> None:
    spf, dkim = read(
        [
            MethodResult("spf", "pass", "", (("smtp.mailfrom", "jean@example.net"),)),
            MethodResult("dkim", "fail", "the body was changed", (("header.d", "example.net"), ("header.s", ""))),
        ]
    )
    assert (spf.method, spf.result, spf.smtp_mailfrom) == ("spf", "pass", "jean@example.net")
    assert (dkim.result, dkim.reason, dkim.header_d) == ("fail", "the body was changed", "example.net")


def test_nothing_tried_is_said() -> None:
    assert rendered_results([]) == "none"


@given(reason=st.text(max_size=60), value=st.text(max_size=60))
def test_no_stranger_adds_a_result(reason: str, value: str) -> None:
    found = read([MethodResult("spf", "fail", reason, (("smtp.mailfrom", value),))])
    assert [(each.method, each.result) for each in found] == [("spf", "fail")]


@pytest.mark.parametrize(
    ("value", "claims"),
    [
        ("mail.example.org; spf=pass", True),
        ("Mail.Example.ORG 1; spf=pass", True),
        ("(hello) mail.example.org ; spf=pass", True),
        ("mail.example.org", True),
        ("mx.example.net; spf=pass smtp.mailfrom=mail.example.org", False),
    ],
)
def test_whose_a_field_claims_to_be(value: str, claims: bool) -> None:
    assert claims_to_be(value, "mail.example.org") is claims

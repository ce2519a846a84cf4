"""xtext of RFC 3461."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.mail.xtext import decode, encode, encode_orcpt


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("QQ+3D314159", "QQ=314159"),
        ("a+2Bb", "a+b"),
        ("a+2bb", "a+b"),
        ("a+b@example.org", "a+b@example.org"),
        ("a+", "a+"),
        ("+2B3D", "+3D"),  # decoded once
        ("J+C3+A9r+C3+B4me", "Jérôme"),
        ("+FF", "\ufffd"),
        ("+20", " "),
        ("", ""),
    ],
)
def test_what_an_xtext_says(text: str, says: str) -> None:
    assert decode(text) == says


@settings(max_examples=100, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
def test_any_text_survives_and_travels_as_printable_ascii_without_spaces(text: str) -> None:
    travelling = encode(text)
    assert decode(travelling) == text
    assert all("!" <= character <= "~" and character != "=" for character in travelling)


@pytest.mark.parametrize(
    ("orcpt", "parameter"),
    [
        ("rfc822;a+b=c@example.org", "rfc822;a+2Bb+3Dc@example.org"),
        ("X400;/g=jean/", "X400;/g+3Djean/"),
        ("jean@example.org", "rfc822;jean@example.org"),
    ],
)
def test_the_type_of_an_orcpt_stays_and_is_added_where_it_is_missing(orcpt: str, parameter: str) -> None:
    assert encode_orcpt(orcpt) == parameter

"""Records of strangers: each is parsed or a permerror, in linear time."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.authentication.spf.macros import DomainSpec, expanded
from libs.authentication.spf.record import parse, select
from libs.authentication.spf.results import PermError

PIECES = [
    "v=spf1",
    " ",
    "a",
    ":",
    "/",
    "//",
    "24",
    "mx",
    "ip4:",
    "ip6:",
    "192.0.2.1",
    "::1",
    "%{",
    "}",
    "%",
    "d",
    "2r-",
]
PIECES += [
    "include:",
    "exists:",
    "redirect=",
    "exp=",
    "all",
    "-",
    "~",
    ".",
    "example.com",
    "x=",
    "\x00",
    "999999999999",
]
VALUES = dict.fromkeys("slodipvhcrt", "a.b-c+d")


@given(st.lists(st.sampled_from(PIECES), max_size=30))
@settings(max_examples=300, deadline=None)
def test_any_record_is_read_or_is_a_permerror(pieces: list[str]) -> None:
    with contextlib.suppress(PermError):
        record = parse(f"v=spf1 {''.join(pieces)}".encode())
        for spec in (*(directive.target for directive in record.directives), record.redirect, record.exp):
            assert spec is None or len(spec.expanded(VALUES)) <= 253


@pytest.mark.parametrize(
    "text",
    [
        "a:" + "a." * 4000 + "-",
        "a:" + "1" * 8000,
        "a" + "/1" * 4000,
        "exists:" + "%{s" * 2600,
        "a:" + "-" * 8000,
        "ip6:" + ":" * 8000,
    ],
    ids=lambda text: text[:12],
)
def test_long_nonsense_is_a_permerror(text: str) -> None:
    with pytest.raises(PermError):
        parse(f"v=spf1 {text}".encode())


@pytest.mark.parametrize("twice", ["redirect=a.example redirect=b.example", "exp=a.example EXP=a.example"])
def test_a_known_modifier_occurs_once(twice: str) -> None:
    with pytest.raises(PermError, match="occurs twice"):
        parse(f"v=spf1 {twice}".encode())


def test_the_record_is_chosen_among_all_texts() -> None:
    assert select([b"v=spf10", b"V=SPF1 -all", b"v=spf2.0/pra", b""]) == b"V=SPF1 -all"
    assert select([b"v=spf1"]) == b"v=spf1"
    assert select([b"other"]) is None
    with pytest.raises(PermError, match="several"):
        select([b"v=spf1 -all", b"v=spf1"])


@pytest.mark.parametrize(
    ("text", "result"),
    [  # RFC 7208 7.4
        ("%{s}", "strong-bad@email.example.com"),
        ("%{o}", "email.example.com"),
        ("%{d4}", "email.example.com"),
        ("%{d1}", "com"),
        ("%{dr}", "com.example.email"),
        ("%{d2r}", "example.email"),
        ("%{l-}", "strong.bad"),
        ("%{lr-}", "bad.strong"),
        ("%{l1r-}", "strong"),
        ("%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.com"),
        ("%{D1000000000000000000}", "email.example.com"),
        ("%{d00002}", "example.com"),
        ("%{S}%_%-%%", "strong-bad%40email.example.com %20%"),
    ],
)
def test_the_examples_of_the_rfc_expand_as_it_says(text: str, result: str) -> None:
    values = {"s": "strong-bad@email.example.com", "l": "strong-bad", "i": "192.0.2.3", "v": "in-addr"}
    values |= dict.fromkeys("do", "email.example.com")
    assert expanded(text, values) == result


@pytest.mark.parametrize(
    "text", ["%{s0}.a.example", "%{x}.a.example", "%{c}.a.example", "%a.example", "%{s", "localhost", ""]
)
def test_an_invalid_domain_spec_is_a_permerror(text: str) -> None:
    with pytest.raises(PermError):
        DomainSpec(text)

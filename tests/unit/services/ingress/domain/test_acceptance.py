"""What a header must be like; the quick look and the thorough one agree."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingress.domain.acceptance import Acceptance
from services.ingress.domain.refusal import CommandRefused

ACCEPTANCE = Acceptance(max_received=3, max_header_bytes=400, max_header_count=12)

lines = st.sampled_from(
    [
        b"From: a@example.net",
        b"FROM : b@example.com",
        b"From: a@example.net, b@example.com",
        b"From: A <a@example.net>,\r\n B <b@example.com>",
        b"Subject: x",
        b"Subject: from: y\r\n from: z",
        b"Date: now",
        b"Received: x",
        b"X: " + b"y" * 60,
        b"no field",
        b"",
        b" folded",
        b"From someone",
    ]
)


class Thorough(Acceptance):
    """Without the quick look."""

    def _is_plain(self, raw: bytes) -> bool:
        return False


def verdict(acceptance: Acceptance, raw: bytes, own: frozenset[str] | None = None) -> str:
    try:
        acceptance.check(raw, "mx" if own is None else "submission", own)
    except CommandRefused as refused:
        return f"{refused.reply.code} {refused.reply.enhanced}"
    return "250"


@given(st.lists(lines, max_size=16))
def test_the_quick_look_lets_through_what_the_thorough_one_would(parts: list[bytes]) -> None:
    raw = b"\r\n".join(parts) + b"\r\n\r\nbody\r\n"
    thorough = Thorough(ACCEPTANCE.max_received, ACCEPTANCE.max_header_bytes, ACCEPTANCE.max_header_count)
    assert verdict(ACCEPTANCE, raw) == verdict(thorough, raw)


@pytest.mark.parametrize(
    ("header", "own", "accepted"),
    [
        (b"From: a@example.org", {"a@example.org"}, True),
        (b"From: A <A@EXAMPLE.org>", {"a@example.org"}, True),
        (b"From: a@example.org, b@example.org", {"a@example.org", "b@example.org"}, True),
        (b"From: a@example.org, b@example.org", {"a@example.org"}, False),
        (b"From: a@example.org\r\nFrom: b@example.org", {"a@example.org"}, False),
        (b"From: nobody", {"a@example.org"}, False),
        (b"From:", {"a@example.org"}, False),
        (b"Subject: no author", {"a@example.org"}, True),
        (b"From: a@example.org", set(), False),
    ],
)
def test_whoever_authenticated_writes_in_its_own_name(header: bytes, own: set[str], accepted: bool) -> None:
    reply = verdict(ACCEPTANCE, header + b"\r\n\r\nbody\r\n", frozenset(own))
    assert reply == ("250" if accepted else "550 5.7.1")


@pytest.mark.parametrize("separator", [b", ", b",\r\n ", b"\r\nFrom: ", b" "])
@pytest.mark.parametrize("crowd", [99, 100, 5000])
def test_whoever_stands_behind_a_crowd_of_authors_is_looked_at_or_refused(separator: bytes, crowd: int) -> None:
    acceptance = Acceptance(max_received=3, max_header_bytes=1_000_000, max_header_count=10_000)
    header = b"From: " + separator.join([b"<a@example.org>"] * crowd + [b"<ceo@bank.example>"])
    assert verdict(acceptance, header + b"\r\n\r\nbody\r\n", frozenset({"a@example.org"})).startswith("5")
    assert verdict(acceptance, header + b"\r\n\r\nbody\r\n").startswith("5")


@pytest.mark.parametrize(
    ("author", "answer"),
    [
        (b"From: Jean <Jean@example.org>", "250"),
        (b"Subject: without an author", "250"),
        (b"From: marie@example.org", "550 5.7.1"),
        (b"From: jean@example.org, marie@example.org", "550 5.7.1"),
        (b"From: nobody", "550 5.7.1"),
    ],
)
def test_an_authenticated_sender_writes_as_itself_only(author: bytes, answer: str) -> None:
    assert verdict(ACCEPTANCE, author + b"\r\n\r\nbody\r\n", frozenset({"jean@example.org"})) == answer


@pytest.mark.parametrize(
    ("header", "code"),
    [
        (b"X: y\r\n" * 13, "5"),
        (b"X: " + b"y" * 500 + b"\r\n", "5"),
        (b"Received: x\r\n" * 4, "554"),
    ],
)
def test_a_header_beyond_a_limit_is_refused(header: bytes, code: str) -> None:
    assert verdict(ACCEPTANCE, header + b"\r\nbody\r\n").startswith(code)

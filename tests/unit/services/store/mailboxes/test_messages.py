"""Summaries of messages."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from libs.mail.headers import Headers
from services.store.mailboxes.messages import summarise

NOON = datetime(2030, 1, 1, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("date", "expected"),
    [
        ("Tue, 1 Jan 2030 12:00:00 +0200", datetime(2030, 1, 1, 10, 0, tzinfo=UTC)),
        ("Tue, 1 Jan 2030 12:00:00 -0000", NOON),
        ("yesterday", None),
        ("Tue, 1 Jan 99999 12:00:00 +0000", None),
        ("Fri, 31 Dec 9999 23:59:59 -2359", None),
        ("Fri, 1 Jan 1960 00:00:00 +0000", None),
        ("Tue, 41 Jan 2030 12:00:00 +0000", None),
        ("1 1 1 1 1 1" * 1000, None),
    ],
)
def test_a_date_is_read_or_left_out(date: str, expected: datetime | None) -> None:
    assert summarise(Headers(f"Date: {date}\r\n\r\n".encode())).date == expected


def test_summaries_are_short_decoded_and_of_one_line() -> None:
    raw = (
        b"Subject: =?utf-8?q?a=0D=0Ab?= \xff\r\nFrom: =?utf-8?q?J=C3=A9?= <j@x>\r\nTo: " + b"x@y, " * 999 + b"\r\n\r\n"
    )
    summary = summarise(Headers(raw), tag="[S]\r\nBcc: x")
    assert summary.subject.isprintable()
    assert summary.subject.endswith("a  b ÿ")
    assert summary.sender == "Jé <j@x>"
    assert len(summary.to) == 1000

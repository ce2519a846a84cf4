"""The Date field, as it should be and as it is met."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.mail.dates import read_date
from libs.mail.message import parse

MORNING = datetime(2026, 11, 27, 6, 0, tzinfo=UTC)
SPECIMEN = Path(__file__).parents[3] / "specimens/mail/date-with-comments.eml"


@pytest.mark.parametrize(
    "text",
    [
        "Fri, 27 Nov 2026 06:00:00 +0000",
        "27 Nov 2026 07:00:00 +0100",
        "Fri, 27 Nov 2026 06:00:00 +0000 (UTC)",
        "Fri, 27 (x) Nov 2026 06 : 00 : 00 +0000",
        "Fri, 27 Nov 2026 06 (comment) : (another) 00 +0000",
        "(a (nested) one) Fri , 27 Nov 2026 06:00:00 +0000",
        "Fri, 27 Nov 2026 06:00 GMT",
        "27 nov 26 1:00:00 EST",
        "Fri,\t27  Nov\t2026 06:00:00 -0000",
        "Fri, 27 Nov 2026 06:00:00 (" + "long " * 100 + ") +0000",
    ],
)
def test_a_date_is_read_with_comments_and_white_space(text: str) -> None:
    assert read_date(text) == MORNING


def test_the_specimen_with_comments_is_read() -> None:
    assert read_date(parse(SPECIMEN.read_bytes()).headers.get("Date") or "") == MORNING


@given(st.text(max_size=60) | st.text("0123456789: ()+-,NovFri", max_size=60))
def test_any_text_is_a_date_or_none(text: str) -> None:
    date = read_date(text)
    assert date is None or date.tzinfo is UTC

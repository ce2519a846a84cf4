"""DNS blocklists: how many of them must agree, and which answers are entries."""

from __future__ import annotations

import pytest

from services.antispam.message.blocklists import BlocklistResult, look_up
from tests.servers.zone import Zone

ZONE = """
bad.one.example    A  127.0.0.2
bad.two.example    A  192.0.2.80
bad.three.example  A  127.255.255.254
bad.four.example   SERVFAIL
"""


@pytest.mark.parametrize(
    ("listed", "unanswered", "total", "is_listed", "is_undecided"),
    [
        (1, 0, 1, True, False),
        (1, 0, 2, True, False),
        (1, 0, 3, False, False),
        (1, 1, 3, False, True),
        (0, 1, 2, False, True),
        (0, 1, 3, False, False),
        (0, 0, 0, False, False),
    ],
)
def test_half_of_the_lists_decide(
    listed: int, unanswered: int, total: int, is_listed: bool, is_undecided: bool
) -> None:
    result = BlocklistResult(("x",) * listed, ("y",) * unanswered, total)
    assert (result.is_listed, result.is_undecided) == (is_listed, is_undecided)


async def test_only_answers_within_127_8_that_are_no_status_are_entries() -> None:
    zones = ("one.example", "two.example", "three.example", "four.example", "five.example")
    result = await look_up(Zone(ZONE), zones, lambda zone: f"bad.{zone}")
    assert result == BlocklistResult(("one.example",), ("three.example", "four.example"), 5)

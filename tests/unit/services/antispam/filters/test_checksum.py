"""Messages that `checksum` hits, and messages that it leaves alone."""

from __future__ import annotations

from tests.specimens.antispam import a_context, a_message, a_view
from tests.specimens.filter_cases import SIGNED_IN, STEPS, Case, filter_tests, to

HITS = (
    Case(
        "checksum", "three recipients", a_message("buy our watches " * 9), to(*(f"m{n}@example.org" for n in range(3)))
    ),
)
MISSES = (Case("checksum", "one recipient"),)

test_hits, test_misses = filter_tests(HITS, MISSES)


async def test_the_same_message_counts_by_recipients_and_redelivery_counts_once() -> None:
    check, context = STEPS["checksum"].check, a_context()
    copies = [
        a_message(f"Dear {who}@example.org, buy 1{n} of our watches today" + " words" * 20)
        for n, who in enumerate("abc")
    ]
    outcomes = [
        (await check(a_view(raw, id=str(n)), context)).outcome
        for n, raw in enumerate([copies[0], *copies[1:], copies[2]])
    ]
    assert outcomes == ["miss", "miss", "hit", "hit"]
    again = a_context()
    assert [(await check(a_view(copies[0], id="same"), again)).outcome for _ in range(5)] == ["miss"] * 5
    crowd = to(*(f"m{n}@example.org" for n in range(3)))
    assert (await check(a_view(a_message("another text altogether" * 9), **crowd), a_context())).outcome == "hit"
    assert (await check(a_view(a_message("ours" * 99), **{**crowd, **SIGNED_IN}), a_context())).outcome == "miss"

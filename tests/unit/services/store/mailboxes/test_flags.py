"""Flags: one spelling each, and what a change makes of them."""

from __future__ import annotations

import pytest

from services.store.mailboxes.flags import FlagChange, clean_flag
from services.store.mailboxes.refusals import InvalidRequest


@pytest.mark.parametrize(
    ("flag", "clean"),
    [
        ("\\SEEN", "\\Seen"),
        ("$forwarded", "$Forwarded"),
        ("NONJUNK", "NonJunk"),
        ("$Label1", "$label1"),
        ("a.b", "a.b"),
    ],
)
def test_flags_have_one_spelling(flag: str, clean: str) -> None:
    assert clean_flag(flag) == clean


@pytest.mark.parametrize("flag", ["", "\\Recent", "two words", "(a", 'a"', "é", "a\r\nb", "x" * 51, "a]", "%"])
def test_what_is_no_flag_is_refused(flag: str) -> None:
    with pytest.raises(InvalidRequest):
        clean_flag(flag)


@pytest.mark.parametrize(
    ("change", "after"),
    [
        (FlagChange.of(add=["\\Flagged", "A"]), ("\\Flagged", "\\Seen", "a")),
        (FlagChange.of(remove=["A", "\\seen"]), ()),
        (FlagChange.of(replace=["\\Draft"]), ("\\Draft",)),
        (FlagChange.of(replace=[], add=["b"], remove=["b"]), ()),
    ],
)
def test_changes_replace_then_add_then_remove(change: FlagChange, after: tuple[str, ...]) -> None:
    assert change.apply(("\\Seen", "a")) == after


def test_a_message_has_no_flood_of_flags() -> None:
    with pytest.raises(InvalidRequest):
        FlagChange.of(add=[f"k{n}" for n in range(64)]).apply(["\\Seen"])

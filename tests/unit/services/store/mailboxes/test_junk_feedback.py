"""What moves teach."""

from __future__ import annotations

import pytest

from services.store.mailboxes.folders import DRAFTS, INBOX, JUNK, SENT, TRASH
from services.store.mailboxes.junk_feedback import classify_move


@pytest.mark.parametrize(
    ("origin", "target", "spam", "word"),
    [
        (INBOX, JUNK, True, "spam that came through"),
        ("f1", JUNK, True, "from a folder of one's own"),
        (TRASH, JUNK, True, "out of the trash"),
        (JUNK, INBOX, False, "no spam after all"),
        (JUNK, "f1", False, "kept"),
        (JUNK, TRASH, None, "deleted, and spam all the same"),
        (JUNK, DRAFTS, None, "nobody knows why"),
        (SENT, JUNK, None, "one's own words"),
        (DRAFTS, JUNK, None, "one's own words"),
        (INBOX, TRASH, None, "read and done with"),
    ],
)
def test_a_move_says_spam_or_ham_or_nothing(origin: str, target: str, spam: bool | None, word: str) -> None:
    said, ids = classify_move({"1": origin}, target)
    assert (said if ids else None, ids) == (spam, [] if spam is None else ["1"])


def test_each_message_of_a_move_speaks_for_itself() -> None:
    assert classify_move({"1": INBOX, "2": SENT, "3": "f1"}, JUNK) == (True, ["1", "3"])
    assert classify_move({"1": INBOX, "2": JUNK}, "f1") == (False, ["2"])
    assert classify_move({}, JUNK) == (True, [])

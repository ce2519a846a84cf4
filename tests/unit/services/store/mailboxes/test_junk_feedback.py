"""What moves teach."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

import pytest
from structlog.testing import capture_logs

from libs.bus import Bus, Event
from libs.envelope import Temporary
from libs.events import JunkMoved
from services.store.mailboxes.folders import DRAFTS, INBOX, JUNK, SENT, TRASH
from services.store.mailboxes.junk_feedback import JunkFeedback, classify_move


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


@dataclass
class Events:
    """The bus; it keeps what is emitted unless it is away."""

    away: bool = False
    emitted: list[Event] = field(default_factory=list)

    async def emit(self, event: Event) -> None:
        if self.away:
            raise Temporary("the bus is away")
        self.emitted.append(event)


async def test_a_move_is_reported_once_for_all_its_messages_and_one_that_teaches_nothing_is_not() -> None:
    events = Events()
    feedback = JunkFeedback(cast(Bus, events))
    await feedback.report_move("jean@example.org", {"1": INBOX, "2": INBOX}, JUNK)
    await feedback.report_move("jean@example.org", {"3": INBOX}, TRASH)
    [event] = events.emitted
    told = JunkMoved.from_bus(event)
    assert (told.mailbox, list(told.ids), told.spam) == ("jean@example.org", ["1", "2"], True)


async def test_a_bus_that_is_away_does_not_make_the_move_fail() -> None:
    with capture_logs() as logs:
        await JunkFeedback(cast(Bus, Events(away=True))).report_move("jean@example.org", {"1": INBOX}, JUNK)
    assert [entry["event"] for entry in logs] == ["junk_feedback_lost"]

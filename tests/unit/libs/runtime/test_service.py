"""A row of the table of event handlers."""

from __future__ import annotations

import pytest

from libs.bus import Event
from libs.events import AccountChanged, AccountDeleted, Fact, UnreadableEvent
from libs.runtime import EventHandler


class Recorder:
    def __init__(self) -> None:
        self.handled: list[Fact] = []

    async def handle(self, event: Fact) -> None:
        self.handled.append(event)


async def test_a_handler_gets_the_event_that_was_emitted_as_an_object() -> None:
    recorder = Recorder()
    row = EventHandler[Fact]((AccountChanged, AccountDeleted), recorder.handle, group="store", name="accounts")
    events = [AccountChanged(address="a@example.org"), AccountDeleted(address="a@example.org")]
    for event in events:
        await row.dispatch(event.to_bus())
    assert recorder.handled == events
    assert row.names == ["AccountChanged", "AccountDeleted"]
    assert row.subscription == "store.accounts"


async def test_an_unreadable_event_does_not_reach_the_handler() -> None:
    recorder = Recorder()
    row = EventHandler(AccountChanged, recorder.handle)
    with pytest.raises(UnreadableEvent, match="AccountChanged is not readable"):
        await row.dispatch(Event("AccountChanged", b"{}"))
    assert not recorder.handled
    assert row.subscription is None


@pytest.mark.parametrize(("group", "name"), [("store", ""), (None, "accounts")])
def test_a_durable_row_has_a_group_and_a_name_and_a_broadcast_has_neither(group: str | None, name: str) -> None:
    with pytest.raises(ValueError, match="AccountChanged"):
        EventHandler(AccountChanged, Recorder().handle, group=group, name=name)

"""An event that cannot be read is a dead letter at once, in each subscription of each service."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import Any
from unittest.mock import NonCallableMock

import pytest

from libs.bus import Event
from libs.envelope import Permanent
from libs.runtime import EventHandler
from services.antispam.handlers import event_handlers
from services.quota.handlers import UsageHandler
from services.store.accounts import Accounts

# An unreadable event must not reach any of these: the test checks that none was called.
NOTHING: Any = NonCallableMock()
ROWS: tuple[EventHandler[Any], ...] = (
    *event_handlers(NOTHING, NOTHING, NOTHING, NOTHING),
    *UsageHandler(*[NOTHING] * len(fields(UsageHandler))).table(),
    *Accounts(*[NOTHING] * len(fields(Accounts))).table(),
)
PAYLOADS = {
    "nothing": b"",
    "no_json": b"{",
    "another_shape": b"[]",
    "no_utf_8": b'{"address": "\xff"}',
    "a_wrong_type": b'{"address": {}, "domain": 1, "id": [], "mailbox": 0}',
    "half_a_character": b'{"address": "\\ud800", "domain": "\\ud800", "id": "\\ud800", "mailbox": "\\ud800"}',
}


def cases() -> Iterator[Any]:
    for row in ROWS:
        for name in row.names:
            for word, payload in PAYLOADS.items():
                yield pytest.param(row, Event(name, payload), id=f"{row.subscription or 'broadcast'}-{name}-{word}")


@pytest.mark.parametrize(("row", "event"), list(cases()))
async def test_an_unreadable_event_is_never_tried_again(row: EventHandler[Any], event: Event) -> None:
    with pytest.raises(Permanent, match=f"{event.name} is not readable"):
        await row.dispatch(event)
    assert not NOTHING.mock_calls

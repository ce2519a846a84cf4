"""What the service does with events. The table is at the bottom."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from libs.events import MailRelayed
from libs.runtime import EventHandler
from services.tally.domain import count_domains
from services.tally.ports import TallyStore


class TallyHandler:
    """Counts what was relayed."""

    def __init__(self, store: TallyStore) -> None:
        self._store = store

    async def mail_relayed(self, event: MailRelayed) -> None:
        """Count each recipient by its domain. An event that comes twice counts twice: figures for people."""
        await self._store.add(count_domains(event.recipients))


def event_handlers(handler: TallyHandler) -> Sequence[EventHandler[Any]]:
    """Return the table of events: durable, so that one process of the service gets each."""
    return (EventHandler(MailRelayed, handler.mail_relayed, group="tally", name="relayed"),)

"""The example service counts what was relayed, by domain, and forgets the oldest domain first."""

from __future__ import annotations

from libs.events import MailRelayed
from services.tally.adapters.memory import MemoryTallies
from services.tally.domain import count_domains
from services.tally.handlers import TallyHandler, event_handlers


def test_addresses_are_counted_by_domain_whatever_their_case() -> None:
    assert count_domains(["a@one.example", "b@ONE.example", "c@two.example", "none"]) == {
        "one.example": 2,
        "two.example": 1,
    }


async def test_an_event_is_counted_by_its_handler() -> None:
    store = MemoryTallies(10)
    [row] = event_handlers(TallyHandler(store))
    event = MailRelayed(id="1", account="a@b.example", recipients=["x@one.example", "y@one.example"])
    await row.dispatch(event.to_bus())
    assert await store.get("one.example") == 2


async def test_the_oldest_domain_is_forgotten_first() -> None:
    store = MemoryTallies(1)
    await store.add({"one.example": 1})
    await store.add({"two.example": 1})
    assert (await store.get("one.example"), await store.get("two.example")) == (0, 1)

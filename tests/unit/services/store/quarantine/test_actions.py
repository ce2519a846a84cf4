"""A release that fails takes nothing out of the quarantine, and each release has its own recipients."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Literal, cast

import pytest

from libs.bus import Event
from libs.envelope import Envelope, Mail, Recipient, Temporary
from libs.telemetry import Metrics
from services.store.mailboxes.messages import Summary
from services.store.mailboxes.refusals import InvalidRequest
from services.store.quarantine.actions import QuarantineActions
from services.store.quarantine.model import QuarantinedMessage

NOON = datetime(2030, 1, 1, 12, 0, tzinfo=UTC)
LUC, ANNE = (Recipient(address=f"{name}@elsewhere.example", original=f"{name}@example.org") for name in ("luc", "anne"))


@dataclass
class World:
    """The queue to router, the bus and the entries; `failing` names the step that fails."""

    failing: str = ""
    steps: list[tuple[str, Any]] = field(default_factory=list)

    def _step(self, name: str, what: Any) -> None:
        if name == self.failing:
            raise Temporary(f"{name} is away")
        self.steps.append((name, what))

    async def send(self, queue: str, mail: Mail) -> None:
        self._step("queue", (mail.envelope.id, [to.address for to in mail.envelope.recipients]))

    async def emit(self, event: Event) -> None:
        self._step("bus", event.name)

    async def remove_recipients(self, id: str, addresses: Collection[str]) -> None:
        self._step("entries", sorted(addresses))

    async def raw(self, id: str) -> bytes:
        self._step("bodies", id)
        return b"raw"


def a_warden(world: World) -> QuarantineActions:
    actions_total = Metrics().counter("acts", "Acts.", ("action", "by"))
    given: Any = world
    return QuarantineActions(given, given, cast(Any, None), given, given, actions_total)


def held(*recipients: Recipient) -> QuarantinedMessage:
    envelope = Envelope(id="1", received_at=NOON, recipients=recipients, size_bytes=3, sha256="")
    return QuarantinedMessage("1-a", envelope, "body", Summary("", "", "", "", None), NOON, NOON)


@pytest.mark.parametrize("failing", ["bodies", "queue", "bus", "entries"])
async def test_a_release_that_fails_takes_nothing_out_and_can_be_repeated(failing: str) -> None:
    world = World(failing)
    with pytest.raises(Temporary):
        await a_warden(world).release(held(LUC), None, by="administrator")
    assert "entries" not in [name for name, _ in world.steps]
    world.failing = ""
    assert await a_warden(world).release(held(LUC), None, by="administrator") == (LUC.address,)
    assert world.steps[-1] == ("entries", [LUC.address])


async def test_each_release_of_one_message_goes_on_with_its_own_recipients() -> None:
    world = World()
    await a_warden(world).release(held(LUC, ANNE), [LUC.address], by="administrator")
    await a_warden(world).release(held(ANNE), None, by="administrator")
    assert [what for name, what in world.steps if name == "queue"] == [("1", [LUC.address]), ("1", [ANNE.address])]


@dataclass
class Lists:
    added: list[tuple[str, str, str]] = field(default_factory=list)

    async def add(self, colour: Literal["white", "black"], value: str, *, domain: str, comment: str) -> None:
        self.added.append((colour, value, domain))


def from_sender(mail_from: str, *recipients: Recipient) -> QuarantinedMessage:
    item = held(*recipients)
    return replace(item, envelope=item.envelope.model_copy(update={"mail_from": mail_from}))


@pytest.mark.parametrize(("whole_domain", "value"), [(False, "paul@far.example"), (True, "far.example")])
async def test_a_sender_or_its_domain_is_listed_for_every_local_domain_of_the_recipients(
    whole_domain: bool, value: str
) -> None:
    lists, marie = Lists(), Recipient(address="marie@example.org", domain="example.org")
    actions = replace(a_warden(World()), lists=cast(Any, lists))
    item = from_sender("Paul@Far.example", LUC, marie)
    assert await actions.list_sender(item, None, colour="black", whole_domain=whole_domain) == (
        "sender_black",
        value,
        ("example.org",),
    )
    assert lists.added == [("black", value, "example.org")]


@pytest.mark.parametrize(
    ("mail_from", "domain", "reason"),
    [("", "example.org", "null sender"), ("paul@far.example", "", "no recipient is in a local domain")],
)
async def test_the_null_sender_and_a_message_without_a_local_recipient_cannot_be_listed(
    mail_from: str, domain: str, reason: str
) -> None:
    item = from_sender(mail_from, Recipient(address="marie@example.org", domain=domain))
    with pytest.raises(InvalidRequest, match=reason):
        await a_warden(World()).list_sender(item, None, colour="white", whole_domain=False)


async def test_a_deletion_removes_the_chosen_recipients_and_sends_nothing() -> None:
    world = World()
    assert await a_warden(world).delete(held(LUC, ANNE), [ANNE.address], by="account") == (ANNE.address,)
    assert world.steps == [("entries", [ANNE.address])]

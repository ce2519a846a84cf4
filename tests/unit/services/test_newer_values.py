"""What a newer version of a neighbour writes into the envelope: no stage guesses, the message waits."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest

from libs.envelope import Mail, Temporary, Verdict
from services.antispam.handlers import Judge
from services.relay.handlers import RelayHandler
from services.router.handlers import RoutingHandler
from services.store.handlers import DeliveryHandler
from tests import builders

NOTHING = cast(Any, None)


def a_mail(*, action: str = "none", purpose: str = "") -> Mail:
    verdict = Verdict(spam=True, score=9.0, required=7.5, action=action)
    to = builders.a_recipient("jean@example.org", purpose=purpose)
    return builders.a_mail(to, raw=b"", id="a", verdicts={"example.org": verdict})


# None of them has a neighbour: to ask one before the values are understood would fail in another target.
ACTING: dict[str, Callable[[Mail], Awaitable[Any]]] = {
    "router": RoutingHandler(NOTHING).route,
    "relay": RelayHandler(NOTHING, NOTHING, NOTHING).accept,
    "store": lambda mail: DeliveryHandler(*[NOTHING] * 12)._place(mail.envelope, NOTHING),
}


@pytest.mark.parametrize("stage", ACTING.values(), ids=ACTING.keys())
async def test_mail_with_an_action_of_a_newer_antispam_waits(stage: Callable[[Mail], Awaitable[Any]]) -> None:
    with pytest.raises(Temporary, match="action 'shred'"):
        await stage(a_mail(action="shred"))


def _without_neighbours() -> Judge:
    return Judge(
        rulebooks=NOTHING, runner=NOTHING, environment=NOTHING, learner=NOTHING, counters=NOTHING,
        special_recipients=NOTHING, clock=NOTHING,
    )  # fmt: skip


async def test_mail_for_a_purpose_of_a_newer_antispam_waits_and_is_not_lost() -> None:
    with pytest.raises(Temporary, match="purpose 'oracle'"):
        await _without_neighbours().judge(a_mail(purpose="oracle"))

"""Each notice has one end, within the limits, and one that fails holds up no other."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from libs.envelope import Envelope, Permanent, Recipient, Temporary, Verdict
from libs.telemetry import Metrics
from services.store.mailboxes.messages import Summary
from services.store.quarantine.letters import QuarantineLetters
from services.store.quarantine.links import TokenSigner
from services.store.quarantine.model import QuarantinedMessage
from services.store.quarantine.notice import NoticeClaim, NoticePlan, NoticePolicy
from services.store.quarantine.notice_sender import NoticeSender
from services.store.settings import NoticeLimits

NOON = datetime(2030, 1, 2, 12, 0, tzinfo=UTC)
SENDER = "luc@elsewhere.example"
SPAM = {"example.org": Verdict(spam=True, score=9, required=7, action="quarantine")}
MARIE = Recipient(address="marie@example.org", domain="example.org", account="marie@example.org")
PLAN = NoticePlan((MARIE.address,), ("example.org",), "en")


def a_claim(id: str = "1-a", *, plan: NoticePlan | None = None, age: timedelta = timedelta(0)) -> NoticeClaim:
    envelope = Envelope(
        id="1", received_at=NOON, mail_from=SENDER, recipients=(MARIE,), size_bytes=1, sha256="", verdicts=SPAM
    )
    summary = Summary("s", "", "", "<x@elsewhere.example>", None)
    held = QuarantinedMessage(id, envelope, "", summary, NOON - age, NOON + timedelta(days=30))
    return NoticeClaim(held, plan, 1)


class World:
    """The queue, the policies, the rate limits and ingress. `refused` names the rate limit that is used up."""

    def __init__(self, claims: Sequence[NoticeClaim], **given: Any) -> None:
        self.claims = list(claims)
        self.policy: NoticePolicy | Exception = given.get("policy", NoticePolicy())
        self.refused: str = given.get("refused", "")
        self.sibling: bool = given.get("sibling", False)
        self.decides: bool = given.get("decides", True)
        self.error: Exception | None = given.get("error")
        self.ends: list[tuple[str, str, str]] = []
        self.sent: list[tuple[str, str]] = []
        self.limits: list[str] = []

    async def claim(self) -> NoticeClaim | None:
        return self.claims.pop(0) if self.claims else None

    async def finish(self, id: str, *, state: str, reason: str = "") -> None:
        self.ends.append((id, state, reason))

    async def record_decision(self, id: str, plan: NoticePlan) -> bool:
        return self.decides

    async def has_sibling(self, held: QuarantinedMessage) -> bool:
        return self.sibling

    async def of(self, domain: str) -> NoticePolicy:
        if isinstance(self.policy, Exception):
            raise self.policy
        return self.policy

    async def allow(self, what: str, key: str, *, limit: int, window: timedelta) -> bool:
        self.limits.append(what)
        return what != self.refused

    async def send(self, letter: bytes, *, to: str, key: str) -> None:
        if self.error:
            raise self.error
        self.sent.append((to, key))


async def ends(*claims: NoticeClaim, **given: Any) -> World:
    world = World(claims or [a_claim()], **given)
    fakes = cast(Any, world)
    sender = NoticeSender(
        queue=fakes,
        policies=world,
        rates=fakes,
        post=world,
        letters=QuarantineLetters(TokenSigner([b"s"]), "https://mail.example.org", "mail.example.org", "postmaster"),
        limits=NoticeLimits(),
        give_up_after=timedelta(hours=12),
        clock=lambda: NOON,
        outcomes=Metrics().counter("facteur_store_quarantine_notices", "-", ("outcome",)),
    )
    await sender.round()
    return world


async def test_a_notice_is_sent_to_the_envelope_sender_under_the_key_of_its_message() -> None:
    world = await ends()
    assert world.sent == [(SENDER, "notice:1")]
    assert world.ends == [("1-a", "sent", "")]
    assert world.limits == ["notice to", "notice for peer", "notice for domain", "notice"]


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"policy": NoticePolicy(notices=False)}, "policy"),
        ({"sibling": True}, "already_sent"),
        ({"refused": "notice to"}, "limit"),
        ({"refused": "notice"}, "limit"),
        ({"error": Permanent("550")}, "rejected"),
        ({"policy": Permanent("unknown domain")}, "rejected"),
    ],
)
async def test_a_notice_that_must_not_be_sent_ends_with_its_reason(given: dict[str, Any], reason: str) -> None:
    world = await ends(**given)
    assert (world.sent, world.ends) == ([], [("1-a", "refused", reason)])


async def test_a_sender_at_its_limit_uses_up_no_other_limit() -> None:
    assert (await ends(refused="notice to")).limits == ["notice to"]


async def test_a_decided_notice_is_sent_without_a_second_decision() -> None:
    world = await ends(a_claim(plan=PLAN), policy=Temporary("antispam is away"))
    assert (world.sent, world.limits) == ([(SENDER, "notice:1")], [])


async def test_a_notice_that_another_replica_has_decided_is_left_to_it() -> None:
    world = await ends(decides=False)
    assert (world.sent, world.ends) == ([], [])


@pytest.mark.parametrize("given", [{"error": Temporary("away")}, {"policy": Temporary("away")}])
async def test_with_a_neighbour_away_every_notice_stays_due(given: dict[str, Any]) -> None:
    world = await ends(a_claim("1-a"), a_claim("1-b"), **given)
    assert (world.claims, world.ends) == ([], [])


async def test_an_old_notice_expires() -> None:
    world = await ends(a_claim(age=timedelta(hours=13)))
    assert world.ends == [("1-a", "refused", "expired")]


async def test_a_bug_ends_one_notice_and_holds_up_no_other() -> None:
    broken = a_claim("1-a", plan=NoticePlan((MARIE.address,), (), cast(Any, "no language")))
    world = await ends(broken, a_claim("1-b"))
    assert [(id, state) for id, state, _ in world.ends] == [("1-a", "failed"), ("1-b", "sent")]

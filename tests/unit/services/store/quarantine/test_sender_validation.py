"""The public pages act on a right answer only, once, and within their limits."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from libs.bus import Event
from libs.envelope import Envelope, Recipient
from libs.events import SenderValidated
from libs.telemetry import Metrics
from services.store.mailboxes.messages import Summary
from services.store.mailboxes.refusals import NotFound
from services.store.quarantine.captcha import Captcha
from services.store.quarantine.links import InvalidToken, QuarantineLink, TokenSigner
from services.store.quarantine.model import QuarantinedMessage
from services.store.quarantine.notice import NoticePlan
from services.store.quarantine.sender_validation import CaptchaFailed, SenderValidation, TooManyAttempts
from services.store.settings import PageLimits

NOON = datetime(2030, 1, 1, 12, 0, tzinfo=UTC)
SIGNER = TokenSigner([b"secret"])
MARIE = Recipient(address="marie@example.org", original="m@alias.example", domain="example.org")
JEAN = Recipient(address="jean@example.org", domain="example.org")
LINK = QuarantineLink("validate", "1-a", NOON + timedelta(days=30))


class World:
    """The storage, the actions and the bus. `refused` names the rate limit that is used up."""

    def __init__(self, *recipients: Recipient, refused: str = "") -> None:
        envelope = Envelope(
            id="1",
            received_at=NOON,
            mail_from="Luc@elsewhere.example",
            recipients=recipients,
            size_bytes=1,
            sha256="",
        )
        self.message = QuarantinedMessage("1-a", envelope, "", Summary("", "", "", "", None), NOON, LINK.expires_at)
        self.refused = refused
        self.steps: list[Any] = []
        self.used: set[str] = set()

    async def get(self, id: str) -> QuarantinedMessage:
        return self.message

    async def plan_of(self, id: str) -> NoticePlan | None:
        return NoticePlan((MARIE.address,), ("example.org",), "en")

    async def allow(self, what: str, key: str, *, limit: int, window: timedelta) -> bool:
        return what != self.refused

    async def use_once(self, nonce: str, *, until: datetime) -> bool:
        return nonce not in self.used and not self.used.add(nonce)  # type: ignore[func-returns-value]

    async def emit(self, event: Event) -> None:
        fact = SenderValidated.from_bus(event)
        self.steps.append(("trust", fact.domain, fact.address))

    async def release(self, item: QuarantinedMessage, addresses: Collection[str], *, by: str) -> tuple[str, ...]:
        self.steps.append(("release", tuple(addresses), by))
        return tuple(addresses)

    async def delete(self, item: QuarantinedMessage, addresses: Collection[str], *, by: str) -> None:
        self.steps.append(("delete", tuple(addresses), by))


def validation(world: World) -> SenderValidation:
    given = cast(Any, world)
    return SenderValidation(
        signer=SIGNER,
        captcha=Captcha(SIGNER, keep=timedelta(minutes=15)),
        entries=given,
        notices=given,
        actions=given,
        rates=given,
        bus=given,
        limits=PageLimits(),
        drawing=asyncio.Semaphore(1),
        nonce=lambda: "nonce",
        clock=lambda: NOON,
        answers=Metrics().counter("facteur_store_captcha_answers", "-", ("outcome",)),
    )


async def answered(world: World, answer: str | None = None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    pages, token = validation(world), SIGNER.token(LINK)
    challenge = Captcha(SIGNER, keep=timedelta(minutes=15)).issue(LINK, nonce="nonce", now=NOON)
    result = await pages.validate(
        token, challenge=challenge.token, answer=challenge.answer if answer is None else answer, address="192.0.2.1"
    )
    return result.recipients, result.domains


async def test_a_right_answer_whitelists_the_sender_and_then_releases_the_message() -> None:
    world = World(MARIE, JEAN)
    assert await answered(world) == (("m@alias.example",), ("example.org",))
    assert world.steps == [
        ("trust", "example.org", "luc@elsewhere.example"),
        ("release", (MARIE.address,), "sender"),
    ]


async def test_a_challenge_is_valid_once_whatever_the_answer() -> None:
    world = World(MARIE)
    with pytest.raises(CaptchaFailed, match="wrong"):
        await answered(world, "no")
    with pytest.raises(CaptchaFailed, match="stale"):
        await answered(world)
    assert world.steps == []


@pytest.mark.parametrize("refused", ["answer link", "answer from"])
async def test_beyond_a_limit_no_answer_counts(refused: str) -> None:
    world = World(MARIE, refused=refused)
    with pytest.raises(TooManyAttempts):
        await answered(world)
    assert (world.steps, world.used) == ([], set())


async def test_showing_a_captcha_changes_nothing_and_is_limited() -> None:
    world = World(MARIE)
    prompt = await validation(world).prompt(SIGNER.token(LINK))
    assert (prompt.recipients, prompt.postmasters) == (["m@alias.example"], ["postmaster@example.org"])
    assert prompt.drawing.startswith(b"\x89PNG")
    assert (world.steps, world.used) == ([], set())
    with pytest.raises(TooManyAttempts):
        await validation(World(MARIE, refused="view")).prompt(SIGNER.token(LINK))


async def test_a_link_to_a_message_that_was_released_is_not_found() -> None:
    with pytest.raises(NotFound):
        await answered(World(JEAN))


async def test_the_link_of_an_account_acts_for_its_own_addresses() -> None:
    world = World(MARIE, JEAN)
    own = SIGNER.token(QuarantineLink("own", "1-a", LINK.expires_at, (JEAN.address, "other@example.org")))
    await validation(world).release(own)
    await validation(world).delete(own)
    assert world.steps == [("release", (JEAN.address,), "account"), ("delete", (JEAN.address,), "account")]
    with pytest.raises(NotFound):
        await validation(World(MARIE)).release(own)
    with pytest.raises(InvalidToken):
        await validation(world).release(SIGNER.token(LINK))

"""What ingress asks antispam, how seldom, and what it does without an answer."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from libs.envelope import Temporary
from libs.neighbours import AntispamClient
from services.ingress.adapters.antispam import CachedScreening
from services.ingress.ports import ADMITTED, ScreeningRequest, ScreeningResult

LATER = datetime(2026, 1, 1, tzinfo=UTC)


class Antispam:
    """Answers as it is told, and counts."""

    def __init__(self, *, greylists: bool = True, **answer: Any) -> None:
        self.reception = {"greylists": greylists, "purposes": {"trap@example.org": "honeypot"}}
        self.answer = {"decision": "accept", **answer}
        self.asked: list[str] = []
        self.away = False
        self.meanwhile: Callable[[], None] = lambda: None

    async def model(self, kind: Any, method: str, path: str, **options: Any) -> Any:
        self.asked.append(path)
        if self.away:
            raise Temporary("away")
        if path == "/v1/admissions":
            self.meanwhile()
        return kind.model_validate(self.answer if path == "/v1/admissions" else self.reception)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def screening(antispam: Antispam) -> tuple[CachedScreening, Clock]:
    clock = Clock()
    return CachedScreening(AntispamClient(antispam), ttl=timedelta(seconds=60), clock=clock), clock  # type: ignore[arg-type]


def arrival(sender: str = "a@b.example", peer: str = "192.0.2.1", account: str | None = None) -> ScreeningRequest:
    return ScreeningRequest(peer, sender, "m@example.org", "example.org", account)


async def test_a_domain_that_does_not_greylist_costs_one_question_a_minute() -> None:
    antispam = Antispam(greylists=False)
    screens, clock = screening(antispam)
    for _ in range(5):
        assert await screens.screen(arrival()) == ADMITTED
        assert await screens.purpose("m@example.org", "example.org") == ""
        assert await screens.purpose("trap@alias.example", "example.org") == "honeypot"
    assert antispam.asked == ["/v1/receptions/example.org"]
    clock.now = 61
    await screens.screen(arrival())
    screens.forget()
    await screens.screen(arrival())
    assert len(antispam.asked) == 3


async def test_who_waits_is_asked_for_again_and_who_passed_is_not() -> None:
    antispam = Antispam(decision="defer", retry_at=LATER, keep_seconds=0)
    screens, clock = screening(antispam)
    for _ in range(2):
        assert await screens.screen(arrival()) == ScreeningResult("defer", "", LATER)
    antispam.answer = {"decision": "accept", "note": "passed after 312 s", "keep_seconds": 600}
    for _ in range(3):
        assert await screens.screen(arrival()) == ScreeningResult("accept", "passed after 312 s")
    assert antispam.asked.count("/v1/admissions") == 3
    await screens.screen(arrival("other@b.example"))
    clock.now = 601
    await screens.screen(arrival())
    assert antispam.asked.count("/v1/admissions") == 5


async def test_a_policy_is_asked_for_anew_where_it_changed_and_nowhere_else() -> None:
    antispam = Antispam(keep_seconds=600)
    screens, _ = screening(antispam)
    other = ScreeningRequest("192.0.2.1", "a@b.example", "x@example.com", "example.com")
    for each in (arrival(), other):
        await screens.screen(each)
    screens.forget("example.com")
    for each in (arrival(), other):
        await screens.screen(each)
    assert antispam.asked == [
        "/v1/receptions/example.org", "/v1/admissions", "/v1/receptions/example.com", "/v1/admissions",
        "/v1/receptions/example.com", "/v1/admissions",
    ]  # fmt: skip


async def test_a_pass_that_a_change_overtook_is_not_kept() -> None:
    antispam = Antispam(keep_seconds=600)
    screens, _ = screening(antispam)
    antispam.meanwhile = lambda: screens.forget("example.org")
    for _ in range(2):
        assert (await screens.screen(arrival())).decision == "accept"
    assert antispam.asked.count("/v1/admissions") == 2


async def test_a_network_that_is_known_is_known_with_every_sender() -> None:
    antispam = Antispam(note="network is known", keep_seconds=600, whole_network=True)
    screens, _ = screening(antispam)
    for sender in ("a@b.example", "c@d.example"):
        assert (await screens.screen(arrival(sender))).note == "network is known"
    assert antispam.asked.count("/v1/admissions") == 1
    await screens.screen(arrival(peer="198.51.100.1"))
    assert antispam.asked.count("/v1/admissions") == 2


async def test_an_answer_that_a_change_overtook_is_not_kept() -> None:
    antispam = Antispam(note="before the change", keep_seconds=600, whole_network=True)
    screens, _ = screening(antispam)
    ask = antispam.model

    async def overtaken(kind: Any, method: str, path: str, **options: Any) -> Any:
        answer = await ask(kind, method, path, **options)
        if path == "/v1/admissions":
            screens.forget()
        return answer

    antispam.model = overtaken  # type: ignore[method-assign]
    assert (await screens.screen(arrival())).note == "before the change"
    antispam.model = ask  # type: ignore[method-assign]
    antispam.answer = {"decision": "defer"}
    assert (await screens.screen(arrival())).decision == "defer"


@pytest.mark.parametrize("known", [False, True])
async def test_without_an_answer_strangers_are_let_in_and_trainers_come_again(known: bool) -> None:
    antispam = Antispam()
    screens, clock = screening(antispam)
    if known:
        await screens.purpose("m@example.org", "example.org")
    antispam.away = True
    for sender in ("a@b.example", "c@b.example", "d@b.example"):
        assert await screens.screen(arrival(sender)) == ADMITTED
    assert len(antispam.asked) == 1 + known  # one waited, for all
    assert (await screens.screen(arrival(account="boss@example.org"))).decision == "defer"
    assert await screens.purpose("trap@example.org", "example.org") == ("honeypot" if known else "")
    antispam.away, clock.now = False, 6
    assert (await screens.screen(arrival(account="boss@example.org"))).decision == "accept"

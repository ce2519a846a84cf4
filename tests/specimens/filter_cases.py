"""Cases of filters: a message, its envelope and what the filter may know; and the tests that all filters share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest

from libs.envelope import Peer, Recipient
from services.antispam.chain import CHAIN
from services.antispam.filtering.context import FilterContext
from services.antispam.message.report import Report
from services.antispam.policy.rulebook import Rulebook
from services.antispam.reputation.complaints import ComplaintSubject
from tests.specimens.antispam import a_context, a_message, a_rulebook, a_view, an_environment

STEPS = {step.name: step for step in CHAIN}
SIGNED_IN: dict[str, Any] = {"listener": "submission", "peer": Peer(address="192.0.2.1", helo="x", account="m@a.b")}
# A message that shares nothing with the plain honest one, and its envelope.
OTHER = a_message("nothing", **{"from": "luc@other.example", "subject": "hello"})
OTHER_WAY: dict[str, Any] = {"peer": Peer(address="198.51.100.1"), "mail_from": "luc@other.example"}


@dataclass(frozen=True)
class Case:
    """A word on what is special. `raw`: None is a plain honest message. `envelope`: its fields that are not usual."""

    filter: str
    word: str
    raw: bytes | None = None
    envelope: Mapping[str, Any] = field(default_factory=dict)
    context: Callable[[], FilterContext] = a_context

    def __str__(self) -> str:
        return f"{self.filter}: {self.word}"


async def report_on(case: Case) -> Report:
    return await STEPS[case.filter].check(a_view(case.raw, **case.envelope), case.context())


Test = Callable[[Case], Awaitable[None]]


def filter_tests(hits: Sequence[Case], misses: Sequence[Case]) -> tuple[Test, Test]:
    """The two tests of every filter."""

    @pytest.mark.parametrize("case", hits, ids=str)
    async def test_hits(case: Case) -> None:
        report = await report_on(case)
        assert report.outcome == "hit"
        assert report.reason.isprintable()

    @pytest.mark.parametrize("case", misses, ids=str)
    async def test_misses(case: Case) -> None:
        assert (await report_on(case)).outcome == "miss"

    return test_hits, test_misses


def listed_cases(filter: str, book: Rulebook) -> tuple[Case, Case]:
    """What administrators entered hits the plain honest message, for all domains and for its own."""
    return (
        Case(filter, "for all domains", context=lambda: a_context(book)),
        Case(filter, "for the domain", context=lambda: a_context(a_rulebook(), book)),
    )


def unlisted_cases(filter: str, book: Rulebook) -> tuple[Case, Case]:
    """Another message is not hit."""
    return (
        Case(filter, "another, for all domains", OTHER, OTHER_WAY, lambda: a_context(book)),
        Case(filter, "another, for the domain", OTHER, OTHER_WAY, lambda: a_context(a_rulebook(), book)),
    )


def complained_about(kind: Literal["peer", "sender", "domain"], value: str, complainants: int = 2) -> FilterContext:
    environment = an_environment()
    environment.complaints.replace({ComplaintSubject(kind, value): complainants})  # type: ignore[attr-defined]
    return a_context(environment=environment)


def helo(name: str, **peer: Any) -> dict[str, Any]:
    return {"peer": Peer(**{"address": "192.0.2.1", "helo": name, **peer})}


def to(*addresses: str) -> dict[str, Any]:
    return {"recipients": tuple(Recipient(address=address, domain="example.org") for address in addresses)}

"""The whole chain: every filter has cases, none raises, none asks about our own mail."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from libs.envelope import Peer
from services.antispam.chain import CHAIN
from services.antispam.filtering.steps import Step
from services.antispam.policy.rules import KeywordRule, LogicRule
from tests.servers.zone import Zone
from tests.specimens.antispam import ZONE, a_context, a_rulebook, a_view, an_environment
from tests.specimens.filter_cases import SIGNED_IN, Case, helo

ROOT = Path(__file__).parents[4]
FILTERS = sorted(path.stem for path in (ROOT / "services/antispam/filters").glob("[a-z]*.py"))


def cases(table: str) -> Iterator[Case]:
    for name in FILTERS:
        yield from getattr(importlib.import_module(f"tests.unit.services.antispam.filters.test_{name}"), table)


@pytest.mark.parametrize("step", CHAIN, ids=lambda step: step.name)
@pytest.mark.parametrize("table", ["HITS", "MISSES"])
def test_every_filter_has_a_message_that_it_hits_and_one_that_it_leaves_alone(step: Step, table: str) -> None:
    assert step.name in {case.filter for case in cases(table)}, f"add a case to {table} in the test of its file"


@pytest.mark.parametrize("step", CHAIN, ids=lambda step: step.name)
def test_every_filter_says_in_a_sentence_what_it_does(step: Step) -> None:
    assert step.description.splitlines()[0].endswith(".")
    assert not step.reference.endswith(".")


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\0" * 1000,
        b"From: " + b"(" * 5000 + b"\r\n\r\n",
        b"From: a@" + b"." * 5000 + b"\r\n\r\n",
        b"Subject: " + b"=?utf-8?b?" * 1000 + b"\r\n\r\n",
        b"Content-Type: text/html\r\n\r\n" + b"<a href=" * 20_000,
        b"Content-Type: text/html\r\n\r\n" + b"<!--" * 20_000,
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\n" * 3000,
        b"Date: Thu, 99 Jan 999999999 99:99:99 +9999\r\nReceived: by " + b"b" * 10_000 + b"\r\n\r\n",
        b"Subject: " + b"a" * 50_000 + b"!\r\n\r\n" + b"a" * 200_000 + b"!",
        bytes(range(256)) * 200,
    ],
    ids=lambda raw: repr(raw[:24]),
)
async def test_no_filter_raises_whatever_a_stranger_sends(raw: bytes) -> None:
    rules: dict[str, Any] = {
        "bomb": KeywordRule(pattern="(a+)+$"),
        "logic": LogicRule(expression="size > 1 and subject != author"),
    }
    context = a_context(a_rulebook(white=("x.example",), black=("y.example",), rules=rules))
    view = a_view(raw, mail_from="@" * 300, peer=Peer(address="no address", helo="\0\r\n" + "x" * 500))
    for step in CHAIN:
        report = await step.check(view, context)
        assert report.outcome in ("hit", "miss"), step.name
        assert report.reason.isprintable()


async def test_our_own_machines_and_people_cost_no_question() -> None:
    for fields in (SIGNED_IN, helo("x", address="127.0.0.1")):
        zone = Zone(ZONE)
        context, view = a_context(environment=an_environment(zone=zone)), a_view(**fields)
        for step in CHAIN:
            assert step.needs_lookup is None or not step.needs_lookup(view, context), step.name
            await step.check(view, context)
        assert zone.asked == []

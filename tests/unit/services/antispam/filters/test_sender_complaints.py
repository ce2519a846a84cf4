"""Messages that `sender_complaints` hits, and messages that it leaves alone."""

from __future__ import annotations

from services.antispam.chain import CHAIN
from services.antispam.filtering.context import FilterContext
from services.antispam.filtering.runner import Runner
from services.antispam.filtering.steps import plan
from services.antispam.policy.policy import Policy
from tests.specimens.antispam import a_view
from tests.specimens.filter_cases import OTHER, OTHER_WAY, SIGNED_IN, Case, complained_about, filter_tests


def complained() -> FilterContext:
    return complained_about("sender", "jean@elsewhere.example")


HITS = (Case("sender_complaints", "complained about", context=complained),)
MISSES = (
    Case("sender_complaints", "another", OTHER, OTHER_WAY, complained),
    Case("sender_complaints", "signed in", None, {"mail_from": "jean@elsewhere.example", **SIGNED_IN}, complained),
)

test_hits, test_misses = filter_tests(HITS, MISSES)


async def test_only_a_whitelist_beats_complaints_about_a_sender() -> None:
    context = complained_about("sender", "jean@elsewhere.example")
    steps = plan(CHAIN, Policy(filters={"sender_complaints": False}))
    judgement = await Runner(CHAIN).run(a_view(), context, steps)
    assert judgement.ended_by is not None
    assert judgement.ended_by.step.name == "sender_complaints"
    known = complained_about("sender", "once@elsewhere.example")
    judgement = await Runner(CHAIN).run(a_view(mail_from="once@elsewhere.example"), known, steps)
    assert judgement.ended_by is None
    assert judgement.score < 0

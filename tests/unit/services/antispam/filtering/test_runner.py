"""The runner: steps that end the chain, sums, exemptions, failures."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from libs.envelope import Temporary
from services.antispam.filtering.context import FilterContext
from services.antispam.filtering.runner import Runner
from services.antispam.filtering.steps import Check, Kind, Step, plan
from services.antispam.message.mail_view import MailView
from services.antispam.message.report import MISS, Report, hit
from services.antispam.policy.policy import Policy
from tests.specimens.antispam import a_context, a_view
from tests.specimens.steps import a_filter, a_step, judged

HALF = hit("half", 0.5)


async def test_scores_add_up_and_reach_the_threshold() -> None:
    _, verdict, _ = await judged(a_step("a", hit()), a_step("b", HALF), a_step("c", MISS))
    assert (verdict.spam, verdict.score, verdict.required, verdict.action) == (True, 7.5, 7.5, "tag")
    assert [(test.name, test.score) for test in verdict.tests] == [("a", 5.0), ("b", 2.5)]
    _, verdict, _ = await judged(a_step("a", hit()), a_step("b", hit("", 0.49)))
    assert (verdict.spam, verdict.action, verdict.subject_prefix) == (False, "none", "")


@pytest.mark.parametrize(("kind", "spam"), [(Kind.ACCEPT, False), (Kind.REFUSE, True)])
async def test_a_stop_has_the_last_word_and_nothing_runs_behind_it(kind: Kind, spam: bool) -> None:
    score = 100.0 if spam else -100.0
    _, verdict, outcomes = await judged(
        a_step("before", hit("", 5)), a_step("stop", hit("listed"), kind, score), a_step("behind", hit("", 9))
    )
    assert (verdict.spam, verdict.score) == (spam, score)
    assert outcomes == [("before", "hit"), ("stop", "hit"), ("behind", "unreached")]
    assert verdict.whitelisted == ("" if spam else "stop: listed")


async def test_a_filter_that_raises_is_a_finding_and_the_chain_goes_on() -> None:
    chain = (a_step("bug", ValueError("x")), a_step("away", Temporary("no\nanswer")), a_step("next", hit("", 2)))
    _, verdict, _ = await judged(*chain)
    assert verdict.spam
    assert [(t.name, t.outcome, t.reason) for t in verdict.tests] == [
        ("bug", "error", "ValueError"),
        ("away", "error", "no?answer"),
        ("next", "hit", ""),
    ]


async def test_a_filter_that_is_late_is_a_finding() -> None:
    async def check(mail: MailView, context: FilterContext) -> Report:
        await asyncio.Event().wait()
        return hit()

    late = Step("late", check, "", Kind.SCORE, 5.0, deadline=timedelta(milliseconds=1))
    _, verdict, _ = await judged(late, a_step("next", hit()))
    assert [(test.name, test.outcome) for test in verdict.tests] == [("late", "error"), ("next", "hit")]


async def test_policy_switches_filters_and_gives_them_other_scores() -> None:
    policy = Policy(filters={"aa": False, "bb": True}, scores={"cc": 1.5})
    chain = (a_step("aa", hit()), a_step("bb", hit(), on=False), a_step("cc", hit()))
    _, verdict, outcomes = await judged(*chain, policy=policy)
    assert verdict.score == 6.5
    assert outcomes == [("aa", "off"), ("bb", "hit"), ("cc", "hit")]


async def test_an_exception_takes_later_filters_out_of_the_count() -> None:
    sparing = Report("hit", "sparing", exempts=frozenset({"a", "c"}))
    chain = (a_step("a", hit()), a_step("spare", sparing, Kind.EXEMPT, 0), a_step("b", hit()), a_step("c", hit()))
    _, verdict, outcomes = await judged(*chain)
    assert verdict.score == 10.0  # `a` had been counted before
    assert outcomes[-1] == ("c", "spared")


async def test_what_knows_no_domain_runs_once_a_message() -> None:
    runs: list[str] = []

    def counting(name: str) -> Check:
        async def check(mail: MailView, context: FilterContext) -> Report:
            runs.append(name)
            return MISS

        return check

    chain = [Step(name, counting(name), "", Kind.SCORE, 1.0, per_domain=name == "each") for name in ("once", "each")]
    runner, view = Runner(chain), a_view()
    for _ in range(3):
        await runner.run(view, a_context(), plan(chain, Policy()))
    assert runs == ["once", "each", "each", "each"]


class Outside:
    """Filters that ask outside: each says when it began, and answers when all that are expected began."""

    def __init__(self, together: int) -> None:
        self.began: list[str] = []
        self.cancelled: list[str] = []
        self._barrier = asyncio.Barrier(together)

    def step(self, name: str, report: Report = MISS, **more: Any) -> Step:
        async def check(mail: MailView, context: FilterContext) -> Report:
            self.began.append(name)
            try:
                await self._barrier.wait()
            except asyncio.CancelledError:
                self.cancelled.append(name)
                raise
            return report

        more = {
            "kind": Kind.SCORE,
            "deadline": timedelta(seconds=30),
            "needs_lookup": lambda mail, context: True,
            **more,
        }
        return Step(name, check, "", score=5.0, **more)


async def test_what_asks_outside_starts_together_and_counts_in_its_order() -> None:
    outside = Outside(together=2)
    _, verdict, outcomes = await judged(
        a_step("first", MISS), outside.step("slow", hit()), a_step("between", HALF), outside.step("late", hit())
    )
    assert outcomes == [("first", "miss"), ("slow", "hit"), ("between", "hit"), ("late", "hit")]
    assert [test.name for test in verdict.tests] == ["slow", "between", "late"]


async def test_nobody_is_asked_when_the_chain_ends_before_and_the_rest_is_cancelled_when_it_ends_between() -> None:
    outside = Outside(together=2)
    before = await judged(a_step("white", hit(), Kind.ACCEPT), outside.step("one"))
    assert (before[2], outside.began) == ([("white", "hit"), ("one", "unreached")], [])

    async def refuse(mail: MailView, context: FilterContext) -> Report:
        await asyncio.sleep(0)  # the others begin
        return hit()

    refusing = Step("refusing", refuse, "", Kind.REFUSE, 9.0)
    quick = outside.step("quick", needs_lookup=lambda mail, context: False, on=False)
    starter = Step("starter", a_filter(MISS), "", Kind.SCORE, 1.0, deadline=timedelta(30), needs_lookup=lambda *_: True)
    between = await judged(starter, refusing, outside.step("two"), quick)
    assert between[2][-2:] == [("two", "unreached"), ("quick", "off")]
    assert (outside.began, outside.cancelled) == (["two"], ["two"])
    assert len(asyncio.all_tasks()) == 1  # this one


async def test_all_domains_of_a_message_share_what_was_asked() -> None:
    outside = Outside(together=1)
    chain = (a_step("white", hit(), Kind.ACCEPT), outside.step("one", hit()))
    runner, mail = Runner(chain), a_view()
    async with runner.open_run(mail) as chain_run:
        without = Policy(filters={"white": False})
        for policy in (Policy(), without, without):
            judgement = await chain_run.run(a_context(policy=policy), plan(chain, policy))
    assert (judgement.score, outside.began) == (5.0, ["one"])


async def test_a_filter_with_nothing_to_ask_is_not_started_before_its_turn() -> None:
    order: list[str] = []

    def noting(name: str, **more: Any) -> Step:
        async def check(mail: MailView, context: FilterContext) -> Report:
            order.append(name)
            return MISS

        return Step(name, check, "", Kind.SCORE, 1.0, deadline=timedelta(seconds=30), **more)

    await judged(*(noting(name, needs_lookup=lambda mail, context: False) for name in "ab"), noting("c"))
    assert order == ["a", "b", "c"]


async def test_a_filter_that_answers_too_late_or_not_at_all_is_an_error_and_the_others_count() -> None:
    outside = Outside(together=9)
    late = outside.step("late", deadline=timedelta(milliseconds=10))
    _, verdict, outcomes = await judged(late, a_step("b", hit()))
    assert outcomes == [("late", "error"), ("b", "hit")]
    assert verdict.score == 5.0

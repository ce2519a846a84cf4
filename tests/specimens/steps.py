"""Builders of chains: filters that report what they are told to, and the verdict of a chain of them."""

from __future__ import annotations

from typing import Any

from services.antispam.filtering.context import FilterContext
from services.antispam.filtering.runner import Runner, all_results
from services.antispam.filtering.steps import Check, Kind, Step, plan
from services.antispam.filtering.verdicts import verdict_of
from services.antispam.message.mail_view import MailView
from services.antispam.message.report import Report
from services.antispam.policy.policy import Policy
from tests.specimens.antispam import a_context, a_view


def a_filter(report: Report | BaseException) -> Check:
    async def check(mail: MailView, context: FilterContext) -> Report:
        if isinstance(report, BaseException):
            raise report
        return report

    return check


def a_step(name: str, report: Report | BaseException, kind: Kind = Kind.SCORE, score: float = 5.0, **more: Any) -> Step:
    return Step(name, a_filter(report), "", kind, score, **more)


async def judged(*chain: Step, policy: Policy | None = None) -> tuple[Any, Any, list[tuple[str, Any]]]:
    policy = policy or Policy()
    steps, runner = plan(chain, policy), Runner(chain)
    judgement = await runner.run(a_view(), a_context(policy=policy), steps)
    outcomes = [(result.step.name, result.report.outcome) for result in all_results(steps, judgement)]
    return judgement, verdict_of(judgement, policy), outcomes

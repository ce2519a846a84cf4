"""Turns the result of the chain into a verdict, as the policy of the domain decides."""

from __future__ import annotations

from dataclasses import dataclass

from libs.envelope import Finding, Verdict
from services.antispam.filtering.runner import Judgement, StepResult
from services.antispam.filtering.steps import Kind
from services.antispam.policy.policy import Policy

STAGE = "antispam"


@dataclass(frozen=True, slots=True)
class Scale:
    """Scores in the convention of the domain: either higher is spam, or below zero is spam."""

    policy: Policy
    spam: bool

    @property
    def required(self) -> float:
        return 0.0 if self._below_zero else self.policy.required

    def total(self, score: float) -> float:
        if not self._below_zero:
            return round(score, 2)
        left = round(self.policy.required - score, 2)
        # A score that just reaches `required` is spam, so it must be shown below zero.
        return min(left, -0.01) if self.spam else left

    def part(self, score: float) -> float:
        return round(-score if self._below_zero else score, 2)

    @property
    def _below_zero(self) -> bool:
        return self.policy.convention == "below_zero"


def is_spam(judgement: Judgement, policy: Policy) -> bool:
    """A step that ended the chain decides, else the total does."""
    if judgement.ended_by is not None:
        return judgement.ended_by.step.kind is Kind.REFUSE
    return judgement.score >= policy.required


def verdict_of(judgement: Judgement, policy: Policy) -> Verdict:
    """Make the verdict under `policy`. Of the findings only hits and errors travel with the message."""
    spam = is_spam(judgement, policy)
    scale = Scale(policy, spam)
    return Verdict(
        spam=spam,
        score=scale.total(judgement.score),
        required=scale.required,
        action=policy.action if spam else "none",
        subject_prefix=policy.subject_prefix if spam and policy.action == "tag" else "",
        bayes=_measure(judgement),
        whitelisted=judgement.whitelisted,
        tests=tuple(
            _finding(result, scale) for result in judgement.results if result.report.outcome in ("hit", "error")
        ),
    )


def _measure(judgement: Judgement) -> float | None:
    measures = (result.report.measure for result in judgement.results)
    return next((round(measure, 4) for measure in measures if measure is not None), None)


def _finding(result: StepResult, scale: Scale) -> Finding:
    return Finding(
        stage=STAGE,
        name=result.step.name,
        outcome=result.report.outcome,
        score=scale.part(result.score),
        reason=result.report.reason,
        ms=round(result.ms, 3),
    )

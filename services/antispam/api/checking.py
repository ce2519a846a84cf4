"""`/v1/check` explains the verdict of any message; `/v1/filters` lists the chain."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Literal

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, Field

from libs.envelope import Mail
from libs.http import ADMIN, APPLICATION, Page, Problem, question, require
from libs.http.openapi import raw_body
from libs.network import Ip
from services.antispam.api.scopes import domain_of, scope_of
from services.antispam.chain import CHAIN
from services.antispam.filtering.facts import FACTS
from services.antispam.filtering.runner import StepResult, all_results
from services.antispam.filtering.verdicts import Scale, verdict_of
from services.antispam.handlers import Judge
from services.antispam.message.reconstruction import GivenEnvelope, reconstruct_mail
from services.antispam.message.report import FilterOutcome


class FilterResult(BaseModel):
    """The result of one filter; `ms` is the time that it took."""

    filter: str = Field(description="Name of the filter.")
    outcome: FilterOutcome = Field(description="What the filter found.")
    score: float = Field(description="What it adds to the score.")
    reason: str = Field(description="Why, for people.")
    milliseconds: float = Field(description="Milliseconds that it took.")
    ms: float = Field(description="The same as `milliseconds`.", deprecated=True)


class CheckResult(BaseModel):
    """The verdict with the results of the filters; scores are in the convention of the domain."""

    spam: bool = Field(description="Whether the message is spam under the policy.")
    score: float = Field(description="Sum of the scores, on the scale of the policy.")
    required: float = Field(description="Score from which a message is spam.")
    action: Literal["none", "tag", "junk", "quarantine"] = Field(description="What would become of the message.")
    bayes: float | None = Field(
        description="Probability of spam that the classifier gives, from 0 to 1; null where it gives none."
    )
    whitelisted: str = Field(description="Why the message is whitelisted; empty if it is not.")
    milliseconds: float = Field(description="Milliseconds that the filters took.")
    ms: float = Field(description="The same as `milliseconds`.", deprecated=True)
    findings: list[FilterResult] = Field(description="Result of each filter, in the order of the chain.")


class FilterView(BaseModel):
    """A step of the chain. `score` is what a hit adds (times its strength) unless a policy says otherwise; `reference`
    names the RFC or specification behind it, empty where there is none.
    """

    name: str = Field(description="Name of the filter, as policies name it.")
    kind: Literal["accept", "refuse", "exempt", "score"] = Field(
        description="What a hit does: it accepts or refuses the message, exempts it from filters, or adds a score."
    )
    on: bool = Field(description="Whether it runs by default.")
    score: float = Field(description="What a hit adds by default, times its strength.")
    description: str = Field(description="What the filter looks for.")
    reference: str = Field(description="Specification of what it checks; empty where there is none.")


class FactView(BaseModel):
    """A value that the expressions of logic rules may name."""

    name: str = Field(description="Name of the fact.")
    description: str = Field(description="What it is.")


_RAW_BODY = raw_body("message/rfc822", "The message.")


def check_routes(judge: Judge, is_trusted: Callable[[Ip], bool], clock: Callable[[], datetime]) -> APIRouter:
    """Create the routes of the chain. `is_trusted` tells whether a peer belongs to the cluster."""
    router = APIRouter(prefix="/v1", tags=["chain"], dependencies=[Depends(require(ADMIN, APPLICATION))])

    @router.post(
        "/check",
        summary="Check a message",
        description="The envelope is that of the parameters; what they leave out is read from the message's own trace "
        "fields (`Return-Path`, `Delivered-To`, `X-Original-To`, `Received`). What neither tells is not judged.",
        openapi_extra=_RAW_BODY,
    )
    @question
    async def check_message(
        request: Request,
        sender: str | None = Query(
            None, alias="from", max_length=320, description="Envelope sender; empty for the null sender."
        ),
        to: list[str] = Query([], max_length=1000, description="Envelope recipients."),  # noqa: B008
        peer: str | None = Query(None, max_length=64, description="IP address of the peer."),
        helo: str | None = Query(None, max_length=255, description="Argument of EHLO or HELO."),
        domain: str = Query("", max_length=255, description="Whose policy counts; default: that of all domains."),
    ) -> CheckResult:
        raw = await request.body()
        if not raw:
            raise Problem(422, "the body must be a raw message")
        told, scope = GivenEnvelope(sender, tuple(to), peer, helo), scope_of(domain)
        # Large ones in a thread, so that the mail on its way does not wait.
        mail, unknown = await asyncio.to_thread(
            reconstruct_mail, raw, told, is_trusted=is_trusted, domain=domain_of(scope), now=clock()
        )
        return await _checked(judge, mail, scope, unknown)

    @router.get("/filters", summary="List the filters")
    async def list_filters() -> Page[FilterView]:
        """Lists the filters in the order in which they run."""
        items = [
            FilterView(
                name=step.name,
                kind=step.kind.value,
                on=step.on,
                score=step.score,
                description=step.description,
                reference=step.reference,
            )
            for step in CHAIN
        ]
        return Page(items=items, next=None)

    @router.get("/facts", summary="List the facts")
    async def list_facts() -> Page[FactView]:
        """Lists the values that expressions of logic rules may name besides filters."""
        return Page(items=[FactView(name=name, description=text) for name, text in FACTS.items()], next=None)

    return router


async def _checked(judge: Judge, mail: Mail, scope: str, unknown: frozenset[str]) -> CheckResult:
    rules, judgement = await judge.explain(mail, scope, unknown=unknown)
    verdict = verdict_of(judgement, rules.policy)
    scale = Scale(rules.policy, verdict.spam)
    findings = [_view(result, scale) for result in all_results(rules.plan, judgement)]
    milliseconds = round(sum(finding.milliseconds for finding in findings), 3)
    return CheckResult(
        spam=verdict.spam,
        score=verdict.score,
        required=verdict.required,
        action=verdict.action,
        bayes=verdict.bayes,
        whitelisted=verdict.whitelisted,
        milliseconds=milliseconds,
        ms=milliseconds,
        findings=findings,
    )


def _view(result: StepResult, scale: Scale) -> FilterResult:
    return FilterResult(
        filter=result.step.name,
        outcome=result.report.outcome,
        score=scale.part(result.score),
        reason=result.report.reason,
        milliseconds=round(result.ms, 3),
        ms=round(result.ms, 3),
    )

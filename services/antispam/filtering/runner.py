"""The runner: it takes a message through the chain, once for each domain of its recipients."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import structlog

from libs.envelope import Temporary
from libs.tasks import cancelled
from services.antispam.filtering.context import FilterContext
from services.antispam.filtering.steps import Kind, Plan, PlannedStep, Step
from services.antispam.message.mail_view import MailView
from services.antispam.message.report import FilterOutcome, Report, one_line

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class StepTotals:
    """What a step did in this process so far, for the metrics."""

    runs: int = 0
    hits: int = 0
    errors: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class StepResult:
    """A step's report on one message, with the score that it adds and the time that it took."""

    step: Step
    report: Report
    score: float
    ms: float


@dataclass(slots=True)
class Judgement:
    """The result of the chain: every step that ran, the sum, and the step that ended the chain, if one did."""

    results: list[StepResult] = field(default_factory=list)
    score: float = 0.0
    ended_by: StepResult | None = None

    @property
    def whitelisted(self) -> str:
        """Why a whitelist accepted the message; empty if none did."""
        if self.ended_by is None or self.ended_by.step.kind is not Kind.ACCEPT:
            return ""
        return f"{self.ended_by.step.name}: {self.ended_by.report.reason}"


class Runner:
    """Runs chains. One filter that fails is a finding; it neither stops the chain nor loses the message."""

    def __init__(self, chain: Sequence[Step]) -> None:
        self._chain = chain
        self.totals = {step.name: StepTotals() for step in chain}

    def without_counting(self) -> Runner:
        """Return a runner for dry runs, which counts for itself."""
        return Runner(self._chain)

    async def run(self, mail: MailView, context: FilterContext, plan: Plan) -> Judgement:
        """Run the chain over a message for one domain."""
        async with self.open_run(mail) as chain_run:
            return await chain_run.run(context, plan)

    @asynccontextmanager
    async def open_run(self, mail: MailView) -> AsyncIterator[ChainRun]:
        """Open the run of a message for all its domains; filters that still wait at the end are cancelled."""
        chain_run = ChainRun(mail, self.totals)
        try:
            yield chain_run
        finally:
            await chain_run.close()


class ChainRun:
    """The run of a message. Filters that ask outside the process do so at the same time, once for all domains."""

    def __init__(self, mail: MailView, totals: Mapping[str, StepTotals]) -> None:
        self._mail = mail
        self._totals = totals
        self._in_progress: dict[str, asyncio.Task[tuple[Report, float]]] = {}

    async def run(self, context: FilterContext, plan: Plan) -> Judgement:
        """Run the steps of `plan` that are on, up to the first that ends the chain."""
        judgement = Judgement()
        scores: dict[str, float] = {}
        context.scores = scores
        started = False
        for planned in plan:
            step = planned.step
            if not planned.on or step.name in context.exempted:
                continue
            if step.needs_lookup is not None and not started:
                started = True
                self._start(context, plan)
            report, seconds = await self._report(step, context)
            self._count(step.name, report.outcome, seconds)
            score = planned.score * report.strength if report.outcome == "hit" else 0.0
            result = StepResult(step, report, score, seconds * 1000)
            judgement.results.append(result)
            if report.outcome != "hit":
                continue
            judgement.score += score
            scores[step.name] = score
            if step.kind is Kind.EXEMPT:
                context.exempted |= report.exempts
            elif step.kind is not Kind.SCORE:
                judgement.ended_by, judgement.score = result, score
                break
        return judgement

    async def close(self) -> None:
        """Cancel the filters that still wait: no task outlives its message."""
        if self._in_progress:
            await cancelled(self._in_progress.values())

    def _start(self, context: FilterContext, plan: Plan) -> None:
        """Start the filters that ask outside at the turn of the first: a chain that ends before asks nothing."""
        for planned in plan:
            step = planned.step
            if (
                not planned.on
                or step.needs_lookup is None
                or step.name in context.exempted
                or step.name in self._in_progress
            ):
                continue
            if self._mail.unknown and step.required & self._mail.unknown:
                continue
            if step.name not in self._mail.reports and step.needs_lookup(self._mail, context):
                self._in_progress[step.name] = asyncio.create_task(self._check(step, context, asked=True))

    async def _report(self, step: Step, context: FilterContext) -> tuple[Report, float]:
        """Return the report and the seconds that the filter took, which is not how long the chain waited for it."""
        if self._mail.unknown and (missing := step.required & self._mail.unknown):
            return Report("miss", f"not judged: the {', '.join(sorted(missing))} is unknown"), 0.0
        if (known := self._mail.reports.get(step.name)) is not None:
            pending = self._in_progress.pop(step.name, None)
            return (known, 0.0) if pending is None else pending.result()
        if (pending := self._in_progress.pop(step.name, None)) is not None:
            return await pending
        return await self._check(step, context)

    async def _check(self, step: Step, context: FilterContext, *, asked: bool = False) -> tuple[Report, float]:
        started = time.perf_counter()
        mail = self._mail
        try:
            # A filter that asks outside and was not started has no question, and needs no time limit.
            if step.deadline is None or (step.needs_lookup is not None and not asked):
                report = await step.check(mail, context)
            else:
                async with asyncio.timeout(step.deadline.total_seconds()):
                    report = await step.check(mail, context)
        except TimeoutError:
            report = Report("error", f"no answer within {step.deadline}")
        except Temporary as error:
            report = Report("error", one_line(error.reason))
        except Exception as error:
            log.error("filter_failed", filter=step.name, id=mail.envelope.id, exc_info=error)
            report = Report("error", type(error).__name__)
        if not step.per_domain:
            mail.reports[step.name] = report  # the report is the same for every domain of this message
        return report, time.perf_counter() - started

    def _count(self, name: str, outcome: FilterOutcome, seconds: float) -> None:
        totals = self._totals[name]
        totals.runs += 1
        totals.seconds += seconds
        if outcome == "hit":
            totals.hits += 1
        elif outcome == "error":
            totals.errors += 1


def all_results(plan: Plan, judgement: Judgement) -> Iterator[StepResult]:
    """Yield a result for every step of `plan`; the outcome of those that did not run says why."""
    result = {item.step.name: item for item in judgement.results}
    ended = False
    for planned in plan:
        if item := result.get(planned.step.name):
            yield item
            ended = ended or item is judgement.ended_by
        else:
            yield StepResult(planned.step, Report(_why_not(planned, ended)), 0.0, 0.0)


def _why_not(planned: PlannedStep, ended: bool) -> FilterOutcome:
    if not planned.on:
        return "off"
    return "unreached" if ended else "spared"

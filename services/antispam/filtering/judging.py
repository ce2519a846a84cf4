"""The runner: a message through the chain, once for each domain that it is for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import structlog

from libs.envelope import Temporary
from libs.tasks import cancelled
from services.antispam.filtering.context import Context
from services.antispam.filtering.steps import Kind, Plan, Planned, Step
from services.antispam.message.mail_view import MailView
from services.antispam.message.report import Outcome, Report, one_line

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Tally:
    """What a step did in this process so far, for the metrics."""

    runs: int = 0
    hits: int = 0
    errors: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Seen:
    """A step's report on one message, with the score that it adds and the time that it took."""

    step: Step
    report: Report
    score: float
    ms: float


@dataclass(slots=True)
class Judgement:
    """What the chain found: every step that ran, the sum, and the step that ended it, if one did."""

    seen: list[Seen] = field(default_factory=list)
    score: float = 0.0
    ended_by: Seen | None = None

    @property
    def whitelisted(self) -> str:
        """Why it was accepted without more ado; empty if it was not."""
        if self.ended_by is None or self.ended_by.step.kind is not Kind.ACCEPT:
            return ""
        return f"{self.ended_by.step.name}: {self.ended_by.report.reason}"


class Runner:
    """Runs chains. One filter that fails is a finding; it neither stops the chain nor loses the message."""

    def __init__(self, chain: Sequence[Step]) -> None:
        self._chain = chain
        self.tallies = {step.name: Tally() for step in chain}

    def without_counting(self) -> Runner:
        """Another one, whose tallies go nowhere."""
        return Runner(self._chain)

    async def run(self, mail: MailView, context: Context, plan: Plan) -> Judgement:
        """One message, for one domain."""
        async with self.opened(mail) as running:
            return await running.run(context, plan)

    @asynccontextmanager
    async def opened(self, mail: MailView) -> AsyncIterator[Running]:
        """One message, for all its domains. What still waits for an answer when it is over is cancelled."""
        running = Running(mail, self.tallies)
        try:
            yield running
        finally:
            await running.close()


class Running:
    """A message on its way. The filters that ask outside do so at the same time, once for all domains."""

    def __init__(self, mail: MailView, tallies: Mapping[str, Tally]) -> None:
        self._mail = mail
        self._tallies = tallies
        self._asking: dict[str, asyncio.Task[tuple[Report, float]]] = {}

    async def run(self, context: Context, plan: Plan) -> Judgement:
        """Through the steps of `plan` that are on, up to the first that ends the chain."""
        judgement = Judgement()
        scores: dict[str, float] = {}
        context.scores = scores
        started = False
        for planned in plan:
            step = planned.step
            if not planned.on or step.name in context.spared:
                continue
            if step.asks is not None and not started:
                started = True
                self._start(context, plan)
            report, seconds = await self._report(step, context)
            self._count(step.name, report.outcome, seconds)
            score = planned.score * report.strength if report.outcome == "hit" else 0.0
            seen = Seen(step, report, score, seconds * 1000)
            judgement.seen.append(seen)
            if report.outcome != "hit":
                continue
            judgement.score += score
            scores[step.name] = score
            if step.kind is Kind.SPARE:
                context.spared |= report.spares
            elif step.kind is not Kind.SCORE:
                judgement.ended_by, judgement.score = seen, score
                break
        return judgement

    async def close(self) -> None:
        """No task outlives its message."""
        if self._asking:
            await cancelled(self._asking.values())

    def _start(self, context: Context, plan: Plan) -> None:
        """Not before the first of them has its turn: a chain that ends before asks nobody anything."""
        for planned in plan:
            step = planned.step
            if not planned.on or step.asks is None or step.name in context.spared or step.name in self._asking:
                continue
            if self._mail.unknown and step.needs & self._mail.unknown:
                continue
            if step.name not in self._mail.reports and step.asks(self._mail, context):
                self._asking[step.name] = asyncio.create_task(self._check(step, context, asked=True))

    async def _report(self, step: Step, context: Context) -> tuple[Report, float]:
        """With the seconds that it took by itself, which is not how long the chain waited for it."""
        if self._mail.unknown and (missing := step.needs & self._mail.unknown):
            return Report("miss", f"not judged: nobody told the {', '.join(sorted(missing))}"), 0.0
        if (known := self._mail.reports.get(step.name)) is not None:
            asking = self._asking.pop(step.name, None)
            return (known, 0.0) if asking is None else asking.result()
        if (asking := self._asking.pop(step.name, None)) is not None:
            return await asking
        return await self._check(step, context)

    async def _check(self, step: Step, context: Context, *, asked: bool = False) -> tuple[Report, float]:
        started = time.perf_counter()
        mail = self._mail
        try:
            # What asks and was not started has nothing to ask, so it needs no time limit: these cost more than it does.
            if step.deadline is None or (step.asks is not None and not asked):
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
            mail.reports[step.name] = report  # it says the same for every domain of this message
        return report, time.perf_counter() - started

    def _count(self, name: str, outcome: Outcome, seconds: float) -> None:
        tally = self._tallies[name]
        tally.runs += 1
        tally.seconds += seconds
        if outcome == "hit":
            tally.hits += 1
        elif outcome == "error":
            tally.errors += 1


def explained(plan: Plan, judgement: Judgement) -> Iterator[Seen]:
    """Every step of `plan`, also those that did not run, with the reason why."""
    seen = {item.step.name: item for item in judgement.seen}
    ended = False
    for planned in plan:
        if item := seen.get(planned.step.name):
            yield item
            ended = ended or item is judgement.ended_by
        else:
            yield Seen(planned.step, Report(_why_not(planned, ended)), 0.0, 0.0)


def _why_not(planned: Planned, ended: bool) -> Outcome:
    if not planned.on:
        return "off"
    return "unreached" if ended else "spared"

"""Ours: Bayes alone, and the offline chain, which is every step that asks nobody outside, with Bayes among them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from libs.envelope import Envelope, Mail, Recipient
from libs.mail.dates import read_date
from services.antispam.chain import CHAIN
from services.antispam.filtering.context import FilterContext, FilterEnvironment
from services.antispam.filtering.runner import Judgement, Runner
from services.antispam.filtering.steps import plan
from services.antispam.learning.classifier import BayesScore, TokenCounts, score
from services.antispam.message.content import MessageContent
from services.antispam.message.mail_view import MailView
from services.antispam.policy.policy import DEFAULT_POLICY
from tests.specimens.antispam import a_rulebook, an_environment
from tools.evaluation.corpus import Specimen
from tools.evaluation.learning import counts_of_folds
from tools.evaluation.measures import Assignment, Judged, Row, at_random, by_digest

REPEATS = 8
_COLLECTED = datetime(2003, 12, 31, tzinfo=UTC)  # where no Received tells when it came
_OFFLINE = [planned for planned in plan(CHAIN, DEFAULT_POLICY) if planned.step.deadline is None]
_RUNNER = Runner(CHAIN)


@dataclass(frozen=True, slots=True)
class Taught:
    """The statistics of one fold, as the chain asks for them."""

    counts: TokenCounts

    def judge(self, mail: MailView, domain: str) -> BayesScore | None:
        return score(mail.tokens, self.counts)


def bayes(name: str, corpus: Sequence[Specimen]) -> Row:
    """Time includes reading and decoding the messages."""
    tokens = [MessageContent(one.raw).tokens for one in corpus]

    def judged(folds: Assignment) -> Judged:
        counts = counts_of_folds(corpus, tokens, folds)
        found = [score(its, counts[fold]).log_odds for its, fold in zip(tokens, folds, strict=True)]
        return Judged.of(corpus, found)

    folds = by_digest(corpus)
    counts = counts_of_folds(corpus, tokens, folds)
    wall, cpu = time.perf_counter(), time.process_time()
    for one, fold in zip(corpus, folds, strict=True):
        score(MessageContent(one.raw).tokens, counts[fold])
    spent = time.perf_counter() - wall, time.process_time() - cpu
    return Row(name, judged(folds), *spent, [judged(at_random(corpus, seed)) for seed in range(REPEATS)])


def chain(name: str, corpus: Sequence[Specimen]) -> tuple[Row, Sequence[Judgement]]:
    """The sum of the scores is the ranking; and what the chain found in each message, in the order of the corpus."""
    tokens = [MessageContent(one.raw).tokens for one in corpus]

    def judged(folds: Assignment) -> tuple[Sequence[Judgement], float, float]:
        environment = [_knowing(counts) for counts in counts_of_folds(corpus, tokens, folds)]
        mails = [_mail(one) for one in corpus]
        wall, cpu = time.perf_counter(), time.process_time()
        found = asyncio.run(_all(mails, [environment[fold] for fold in folds]))
        return found, time.perf_counter() - wall, time.process_time() - cpu

    found, wall, cpu = judged(by_digest(corpus))
    repeated = [judged(at_random(corpus, seed))[0] for seed in range(REPEATS)]
    return Row(name, _ranked(corpus, found), wall, cpu, [_ranked(corpus, again) for again in repeated]), found


def _ranked(corpus: Sequence[Specimen], found: Sequence[Judgement]) -> Judged:
    return Judged.of(corpus, [judgement.score for judgement in found])


def _knowing(counts: TokenCounts) -> FilterEnvironment:
    return replace(an_environment(), statistics=Taught(counts)).without_counting()


async def _all(mails: Sequence[Mail], environment: Sequence[FilterEnvironment]) -> Sequence[Judgement]:
    books = (a_rulebook(),)
    found = []
    for mail, known in zip(mails, environment, strict=True):
        context = FilterContext("example.org", DEFAULT_POLICY, books, known, mail.envelope.received_at)
        found.append(await _RUNNER.run(MailView(mail), context, _OFFLINE))
    return found


def _mail(one: Specimen) -> Mail:
    """With the envelope that the message itself tells of; the peer is not known, since who collected was the last."""
    headers = MessageContent(one.raw).headers
    author = headers.addresses("From")[:1]
    sender = (headers.get("Return-Path") or "").strip("<> \t") or (
        author[0][1] if author else "unknown@elsewhere.example"
    )
    came = read_date((headers.get("Received") or "").rpartition(";")[2].strip())
    envelope = Envelope(
        id=one.digest,
        received_at=came or _COLLECTED,
        mail_from=sender,
        recipients=(Recipient(address="marie@example.org", domain="example.org"),),
        size_bytes=len(one.raw),
        sha256="",
        verdicts={},
    )
    return Mail(envelope, one.raw)

"""Each filter of the offline chain over the corpus: how often it hits, how long it takes, whether it ever raises."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median

from services.antispam.filtering.runner import Judgement, StepResult
from tools.evaluation.corpus import Specimen

HEADING = """\
| filter | hits of 1000 spam | of 1000 ham | median ms | p99 ms | raised |
| --- | --- | --- | --- | --- | --- |"""


def lines(corpus: Sequence[Specimen], found: Sequence[Judgement]) -> Iterator[str]:
    """In the order of the chain. The first filter that asks for a fact of the message pays for working it out."""
    by_name: dict[str, list[tuple[bool, StepResult]]] = {}
    for one, judgement in zip(corpus, found, strict=True):
        for result in judgement.results:
            by_name.setdefault(result.step.name, []).append((one.spam, result))
    spam = sum(one.spam for one in corpus)
    for name, all_results in by_name.items():
        ms = sorted(result.ms for _, result in all_results)
        hits = [is_spam for is_spam, result in all_results if result.report.outcome == "hit"]
        cells = (
            *(name, f"{1000 * sum(hits) / spam:.0f}", f"{1000 * (len(hits) - sum(hits)) / (len(corpus) - spam):.1f}"),
            *(f"{median(ms):.3f}", f"{ms[len(ms) * 99 // 100]:.2f}"),
            sum(result.report.outcome == "error" for _, result in all_results),
        )
        yield f"| {' | '.join(map(str, cells))} |"

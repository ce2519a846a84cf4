"""The page of filters: the chain in its order, with what a hit does, its score and its description."""

from __future__ import annotations

from pathlib import Path

from services.antispam.chain import CHAIN
from services.antispam.filtering.steps import Step
from tools.reference.source import table

HEAD = """# Filters of antispam

The chain in its order. A hit of kind `score` adds its points (times the strength of the hit), `accept` and `refuse` end
the chain, the fourth kind takes hits of other filters out of the count. 7.5 points are spam unless the policy of the
domain says otherwise. The policy can switch a filter on and off and give it another score
(`PATCH /v1/policies/{domain}` of antispam), except those that are always on. `GET /v1/filters` serves the same list.
"""


def page(root: Path) -> str:
    """Return the page, in the order of the chain."""
    rows = [
        (str(number), f"`{step.name}`", step.kind.value, f"{step.score:g}", _notes(step), _told(step))
        for number, step in enumerate(CHAIN, 1)
    ]
    return f"{HEAD}\n{table(('', 'filter', 'kind', 'score', 'notes', 'what it looks for'), rows)}\n"


def _told(step: Step) -> str:
    return f"{step.description} ({step.reference})" if step.reference else step.description


def _notes(step: Step) -> str:
    notes = [
        "" if step.on else "off by default",
        "always on" if step.mandatory else "",
        "by domain" if step.per_domain else "",
        f"waits up to {step.deadline.total_seconds():g} s" if step.deadline else "",
    ]
    return ", ".join(each for each in notes if each)

"""Applies the administrators' logic rules, which combine the scores of other filters with facts of the message.

The strength is the sum of the scores of the rules that hold.
"""

from __future__ import annotations

from services.antispam.filtering.context import FilterContext
from services.antispam.filtering.facts import facts_of
from services.antispam.message.mail_view import MailView
from services.antispam.message.report import MISS, Report, hit


async def check(mail: MailView, context: FilterContext) -> Report:
    rules = [rule for book in context.books for rule in book.logic_rules if rule[0] not in context.exempted]
    if not rules:
        return MISS
    names = {**facts_of(mail), **context.scores}
    holding = {name: score for name, expression, score in rules if expression.evaluate(names)}
    return hit(", ".join(holding), sum(holding.values()), rules=tuple(holding)) if holding else MISS

"""Applies the administrators' regular expressions to headers and body.

The strength is the sum of the scores of the rules that match.
"""

from __future__ import annotations

from services.antispam.filtering.context import FilterContext
from services.antispam.filtering.matching import matching_rules
from services.antispam.message.mail_view import MailView
from services.antispam.message.report import MISS, Report, hit


async def check(mail: MailView, context: FilterContext) -> Report:
    found: list[str] = []
    total = 0.0
    for book in context.books:
        for name in matching_rules(mail, book.scope, "keywords", book.keywords):
            if name not in context.exempted:
                found.append(name)
                total += book.keywords.rules[name].score
    return hit(", ".join(found), total, rules=found) if found else MISS

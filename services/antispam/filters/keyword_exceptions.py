"""Exempts the message from the filters and rules that a matching exception rule names."""

from __future__ import annotations

from services.antispam.filtering.context import FilterContext
from services.antispam.filtering.matching import matching_rules
from services.antispam.message.mail_view import MailView
from services.antispam.message.report import MISS, Report, one_line


async def check(mail: MailView, context: FilterContext) -> Report:
    found: list[str] = []
    exempts: set[str] = set()
    for book in context.books:
        for name in matching_rules(mail, book.scope, "exceptions", book.exceptions):
            found.append(name)
            exempts.update(book.exceptions.rules[name].spares)
    if not found:
        return MISS
    reason = one_line(f"{', '.join(found)} exempts from {', '.join(sorted(exempts))}")
    return Report("hit", reason, rules=tuple(found), exempts=frozenset(exempts))

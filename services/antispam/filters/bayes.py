"""Classifies the words of headers, body and attachments by learned statistics, of all domains and of this one.

It abstains while too little was learned. Both ends count: a clear ham has a negative strength.
"""

from __future__ import annotations

from services.antispam.filtering.bayes_levels import level_of, strength_of
from services.antispam.filtering.context import FilterContext
from services.antispam.message.mail_view import MailView
from services.antispam.message.report import MISS, Report


async def check(mail: MailView, context: FilterContext) -> Report:
    learned = context.environment.statistics.judge(mail, context.domain if context.policy.learns else "")
    if learned is None:
        return MISS
    reason = f"{level_of(learned.log_odds)}: {learned.log_odds:.2f} by {learned.tokens} words"
    strength = strength_of(learned.log_odds, learned.tokens)
    return Report("hit" if strength else "miss", reason, strength, measure=learned.log_odds)

"""Applies the keyword rules for the body to the text in images.

The strength is the sum of the scores of the rules that match. No image is read where there are no such rules.
"""

from __future__ import annotations

from services.antispam.filtering.context import FilterContext
from services.antispam.filtering.matching import AREA_LIMIT
from services.antispam.images.model import has_images
from services.antispam.message.mail_view import MailView
from services.antispam.message.report import MISS, Report, hit


async def check(mail: MailView, context: FilterContext) -> Report:
    reader = context.environment.images
    books = [book for book in context.books if "body" in book.keywords.by_area]
    if reader is None or not reader.reads_text or not books or not has_images(mail):
        return MISS
    text = "\n".join(facts.text for facts in await reader.read_images(mail))[:AREA_LIMIT]
    found: dict[str, float] = {}
    for book in books:
        names, patterns = book.keywords.by_area["body"]
        for index in patterns.matches(text):
            if names[index] not in context.exempted:
                found[names[index]] = book.keywords.rules[names[index]].score
    return hit(", ".join(found), sum(found.values()), rules=tuple(found)) if found else MISS

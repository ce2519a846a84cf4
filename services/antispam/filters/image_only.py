"""Detects an image in HTML with hardly any text, which leaves filters nothing to read.

It takes less text than a greeting and a signature have.
"""

from __future__ import annotations

from services.antispam.filtering.context import FilterContext
from services.antispam.message.mail_view import MailView
from services.antispam.message.report import MISS, Report, hit

_HARDLY = 100  # characters of visible text


async def check(mail: MailView, context: FilterContext) -> Report:
    if not mail.html or not any(link.tag == "img" for link in mail.links):
        return MISS
    length = len(mail.html_text)
    return hit(f"an image and {length} characters of text") if length < _HARDLY else MISS

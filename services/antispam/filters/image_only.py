"""The message is an image with hardly any text, so that there is nothing to read for filters (R-SPAM-29)."""

from __future__ import annotations

from services.antispam.filtering.context import Context
from services.antispam.message.mail_view import MailView
from services.antispam.message.report import MISS, Report, hit

_HARDLY = 100  # characters of visible text


async def check(mail: MailView, context: Context) -> Report:
    """An image in the HTML, and less text than a greeting and a signature."""
    if not mail.html or not any(link.tag == "img" for link in mail.links):
        return MISS
    length = len(mail.html_text)
    return hit(f"an image and {length} characters of text") if length < _HARDLY else MISS

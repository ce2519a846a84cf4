"""Detects a link that shows the address of one site and leads to another.

The last two labels are compared, since click counters of the same company run on another host.
"""

from __future__ import annotations

import re

from services.antispam.filtering.context import FilterContext
from services.antispam.message.mail_view import MailView
from services.antispam.message.report import MISS, Report, hit

_HOST = re.compile(
    r"\s{0,20}(?:https?://)?(?:[^/?#@\s]{1,100}@)?((?:[a-z0-9-]{1,63}\.){1,10}[a-z]{2,20})(?=[/?#:\s]|$)", re.IGNORECASE
)


async def check(mail: MailView, context: FilterContext) -> Report:
    for link in mail.links:
        if link.tag != "a":
            continue
        shown, led = _HOST.match(link.text), _HOST.match(link.url)
        if shown and led and _site(shown[1]) != _site(led[1]):
            return hit(f"shows {shown[1]}, leads to {led[1]}")
    return MISS


def _site(host: str) -> list[str]:
    return host.lower().split(".")[-2:]

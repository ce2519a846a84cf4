"""Detects a From header whose display name is an address of another domain than the author's.

Most clients show the name alone: a reader takes `"boss@example.org" <x@elsewhere.example>` for the boss.
"""

from __future__ import annotations

import re

from services.antispam.filtering.context import FilterContext
from services.antispam.message.content import AUTHORS_LIMIT
from services.antispam.message.mail_view import MailView
from services.antispam.message.report import MISS, Report, hit

_ADDRESS = re.compile(r"[^\s@<>\"']{1,64}@((?:[a-z0-9-]{1,63}\.){1,10}[a-z]{2,20})\b", re.IGNORECASE)


async def check(mail: MailView, context: FilterContext) -> Report:
    for name, address in mail.headers.addresses("From")[:AUTHORS_LIMIT]:
        shown = _ADDRESS.search(name[:400])
        domain = address.rpartition("@")[2].lower()
        if shown and domain and shown[1].lower() != domain:
            return hit(f"the name shows {shown[1]}, the address is of {domain}")
    return MISS

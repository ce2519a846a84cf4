"""Detects a link whose text says no more than "click here".

Only the text of the link itself counts, since honest prose tells readers where to click as well.
"""

from __future__ import annotations

import re

from services.antispam.filtering.context import FilterContext
from services.antispam.message.mail_view import MailView
from services.antispam.message.report import MISS, Report, hit

_WORDS = re.compile(
    r"[\W_]{0,20}(?:please )?(?:click|tap|press)(?: (?:here|now|below|this link))?\b"
    r"|[\W_]{0,20}(?:cliquez|appuyez)(?: (?:ici|dessus|sur ce lien))?\b"
    r"|[\W_]{0,20}(?:hier klicken|klicken sie hier|haga clic|haz clic|clicca qui|clique aqui)\b",
    re.IGNORECASE,
)


async def check(mail: MailView, context: FilterContext) -> Report:
    for link in mail.links:
        if link.tag == "a" and _WORDS.match(link.text):
            return hit(f"a link says {link.text[:40]!r}")
    return MISS

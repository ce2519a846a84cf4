"""Much of the text is in Cyrillic letters (R-SPAM-26); for who cannot read them."""

from __future__ import annotations

import re

from services.antispam.domain.context import Context
from services.antispam.domain.mail_view import MailView
from services.antispam.domain.report import MISS, Report
from services.antispam.domain.scripts import share

_LETTERS = re.compile("[\u0400-\u052f\u1c80-\u1c8f\u2de0-\u2dff\ua640-\ua69f]+")  # Unicode: the Cyrillic blocks


async def check(mail: MailView, context: Context) -> Report:
    """Hit from a fifth of the letters on."""
    text = f"{mail.subject}\n{mail.text}"
    return MISS if text.isascii() else share(_LETTERS, text, "Cyrillic")

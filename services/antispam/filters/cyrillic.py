"""Much of the text is in Cyrillic letters (R-SPAM-26); for who cannot read them."""

from __future__ import annotations

import re

from services.antispam.filtering.context import Context
from services.antispam.filtering.scripts import script_share
from services.antispam.message.mail_view import MailView
from services.antispam.message.report import MISS, Report

_LETTERS = re.compile("[\u0400-\u052f\u1c80-\u1c8f\u2de0-\u2dff\ua640-\ua69f]+")  # Unicode: the Cyrillic blocks


async def check(mail: MailView, context: Context) -> Report:
    """Hit from a fifth of the letters on."""
    text = f"{mail.subject}\n{mail.text}"
    return MISS if text.isascii() else script_share(_LETTERS, text, "Cyrillic")

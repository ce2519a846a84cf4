"""Much of the text is in Han characters (R-SPAM-26); for who cannot read them."""

from __future__ import annotations

import re

from services.antispam.filtering.context import Context
from services.antispam.filtering.scripts import script_share
from services.antispam.message.mail_view import MailView
from services.antispam.message.report import MISS, Report

# Unicode: the CJK unified ideographs, their extension A, the compatibility block and the supplementary planes 2 and 3.
_LETTERS = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+")


async def check(mail: MailView, context: Context) -> Report:
    """Hit from a fifth of the letters on."""
    text = f"{mail.subject}\n{mail.text}"
    return MISS if text.isascii() else script_share(_LETTERS, text, "Han")

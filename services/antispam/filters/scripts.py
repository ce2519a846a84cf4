"""Text in a script that the people of a domain do not read."""

from __future__ import annotations

import re

from services.antispam.filtering.context import FilterContext
from services.antispam.message.mail_view import MailView
from services.antispam.message.report import MISS, Report, hit

_CYRILLIC = re.compile("[\u0400-\u052f\u1c80-\u1c8f\u2de0-\u2dff\ua640-\ua69f]+")  # Unicode: the Cyrillic blocks
# Unicode: the CJK unified ideographs, their extension A, the compatibility block and the supplementary planes 2 and 3.
_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+")
_SHARE = 0.2
_LEAST = 5  # letters: a name or a quoted word is not "written in"


async def cyrillic(mail: MailView, context: FilterContext) -> Report:
    """Detects a text of which at least a fifth is in Cyrillic letters.

    It is for domains whose people do not read them. It weighs more when most of the letters are Cyrillic.
    """
    return _share(_CYRILLIC, mail, "Cyrillic")


async def han(mail: MailView, context: FilterContext) -> Report:
    """Detects a text of which at least a fifth is in Han characters.

    It is for domains whose people do not read them. It weighs more when most of the letters are Han.
    """
    return _share(_HAN, mail, "Han")


def _share(letters: re.Pattern[str], mail: MailView, script: str) -> Report:
    text = f"{mail.subject}\n{mail.text}"
    if text.isascii():
        return MISS
    found = sum(map(len, letters.findall(text)))
    if found < _LEAST:
        return MISS
    part = found / sum(map(str.isalpha, text))
    return hit(f"{part:.0%} {script}", 1.0 if part > 0.5 else 0.6) if part >= _SHARE else MISS

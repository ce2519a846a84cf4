"""How much of a text is written in one script."""

from __future__ import annotations

import re

from services.antispam.message.report import MISS, Report, hit

_SHARE = 0.2
_LEAST = 5  # letters: a name or a quoted word is not "written in"


def script_share(letters: re.Pattern[str], text: str, script: str) -> Report:
    """Hit when at least a fifth of the letters of `text` are `letters`; stronger when most are."""
    found = sum(map(len, letters.findall(text)))
    if found < _LEAST:
        return MISS
    part = found / sum(map(str.isalpha, text))
    return hit(f"{part:.0%} {script}", 1.0 if part > 0.5 else 0.6) if part >= _SHARE else MISS

"""Login names and numbered account names."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection

# Letters that have no decomposition in Unicode but a usual spelling in ASCII.
_SPELLED = str.maketrans({"œ": "oe", "æ": "ae", "ß": "ss", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i"})
_WORD = re.compile(r"[a-z0-9]+")
LOGIN = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?")
# No digit at the end: exemple1 + 0001 would meet exemple + 10001.
PREFIX = re.compile(r"[a-z](?:[a-z0-9-]{0,30}[a-z-])?")

_MAX_SURNAME = 40


def login_name(surname: str, given_names: str, *, local_part: str) -> str:
    """Surname, dash, initials: `toto-j` for Jean Toto, `toto-jp` for Jean-Pierre. Without names they are read from a
    local part like `jean.toto`; any other local part is itself the login name. Always matches `LOGIN`.
    """
    family, given = _words(surname), _words(given_names)
    if not family and "." in local_part:
        first, _, last = local_part.partition(".")
        family, given = _words(last), _words(first)
    if not family or not given:
        return "".join(family or _words(local_part))[:_MAX_SURNAME] or "account"
    return f"{''.join(family)[:_MAX_SURNAME]}-{''.join(word[0] for word in given)[:8]}"


def numbered(login: str, taken: Collection[str]) -> str:
    """`login` itself when it is free, else `login-1`, `login-2` ..., the first free one."""
    if login not in taken:
        return login
    number = 1
    while f"{login}-{number}" in taken:
        number += 1
    return f"{login}-{number}"


def account_name(prefix: str, number: int) -> str:
    """`exemple0001` for the prefix `exemple` and the number 1."""
    return f"{prefix}{number:04d}"


def _words(name: str) -> list[str]:
    """The words of a name in lower-case ASCII: `Anne-Élodie` is `anne`, `elodie`; `d'Été` is `dete`, one word."""
    plain = unicodedata.normalize("NFKD", name.lower().translate(_SPELLED))
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter))
    return _WORD.findall(re.sub(r"['’.]", "", plain))

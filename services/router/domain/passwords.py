"""Rules for passwords, and the normal form in which they are compared."""

from __future__ import annotations

import unicodedata

MIN_CHARACTERS = 8
MAX_CHARACTERS = 256  # longer than any typed password, and a bound on the work of a hash


class WeakPassword(ValueError):
    """The text is one sentence for the owner of the password; it never repeats the password."""


def prepare(password: str) -> str:
    """RFC 8265 4.2.2 (OpaqueString): other spaces become a plain one, and NFC: every keyboard makes the same."""
    spaced = "".join(" " if unicodedata.category(letter) == "Zs" else letter for letter in password)
    return unicodedata.normalize("NFC", spaced)


def check(password: str) -> None:
    """Raises `WeakPassword`."""
    if len(password) < MIN_CHARACTERS:
        raise WeakPassword(f"the password needs at least {MIN_CHARACTERS} characters")
    if len(password) > MAX_CHARACTERS:
        raise WeakPassword(f"the password may have at most {MAX_CHARACTERS} characters")
    if any(unicodedata.category(letter).startswith("C") for letter in password):
        raise WeakPassword("the password has a control character")
    if not any(letter.isalpha() for letter in password) or not any(letter.isdigit() for letter in password):
        raise WeakPassword("the password needs both letters and digits")

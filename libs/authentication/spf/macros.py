"""The syntax of macros and their expansion (RFC 7208 7)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from libs.authentication.spf.results import PermError

# RFC 7208 7.1: c, r and t are for explanations only.
_EXPAND = re.compile(r"%(?:\{([slodiphvcrt])([0-9]*)(r?)([.+,/_=-]*)\}|([%_-]))", re.IGNORECASE)
_EXPLAINING = frozenset("crt")
_LITERAL = re.compile(r"[!-$&-~]*")
_LITERAL_WITH_SPACES = re.compile(r"[ -$&-~]*")
_TOP_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?")
_SHORT = {"%": "%", "_": " ", "-": "%20"}
_LONGEST_NAME = 253


@dataclass(frozen=True, slots=True)
class DomainSpec:
    """A domain-spec with valid syntax. Raises `PermError` for any other."""

    text: str

    def __post_init__(self) -> None:
        end = check_macros(self.text)
        if end is None:
            return  # ends with a macro
        # RFC 7208 7.1 domain-end: a dot and a top label, not all digits; the whole may end with a dot.
        _, dot, label = end.removesuffix(".").rpartition(".")
        if not dot or not _TOP_LABEL.fullmatch(label) or label.isdigit():
            raise PermError(f"{self.text!r} is not a domain")

    def expanded(self, values: Mapping[str, str]) -> str:
        """Expand to a name of at most 253 characters: a longer one loses labels on the left (RFC 7208 7.3)."""
        name = expanded(self.text, values).removesuffix(".")
        return name if len(name) <= _LONGEST_NAME else name[name.find(".", len(name) - _LONGEST_NAME - 1) + 1 :]

    @property
    def asks_for_peer_name(self) -> bool:
        return asks_for_peer_name(self.text)


def asks_for_peer_name(text: str) -> bool:
    """Whether %{p} occurs: it costs look-ups, so it is evaluated only where it is used."""
    return "%{p" in text.lower()


def check_macros(text: str, *, explaining: bool = False) -> str | None:
    """Return the literal after the last macro, None if the text ends with a macro. Raises `PermError`."""
    literal = _LITERAL_WITH_SPACES if explaining else _LITERAL
    at = 0
    for macro in _EXPAND.finditer(text):
        if not literal.fullmatch(text, at, macro.start()):
            break
        if macro[1] and macro[1].lower() in _EXPLAINING and not explaining:
            break
        if macro[2] and not macro[2].strip("0"):
            break  # RFC 7208 7.1: the number of parts is not zero
        at = macro.end()
    rest = text[at:]
    if not literal.fullmatch(rest):
        raise PermError(f"macros of {text!r}")
    return None if at and not rest else rest


def expanded(text: str, values: Mapping[str, str]) -> str:
    """Replace each macro by its value (RFC 7208 7.2); `values` has them by letter in lower case."""
    return _EXPAND.sub(lambda macro: _value(macro, values), text)


def _value(macro: re.Match[str], values: Mapping[str, str]) -> str:
    letter, digits, reverse, delimiters, short = macro.groups()
    if short:
        return _SHORT[short]
    value = values[letter.lower()]
    if digits or reverse or delimiters:
        # RFC 7208 7.3: split at the delimiters, reverse, keep the number of parts on the right, join by dots.
        parts = re.split(f"[{re.escape(delimiters or '.')}]", value)
        parts = parts[::-1] if reverse else parts
        value = ".".join(parts[-_number(digits) :])
    return quote(value, safe="-._~") if letter.isupper() else value


def _number(digits: str) -> int:
    """The number of parts; 0, which means all of them, without digits."""
    digits = digits.lstrip("0")
    return int(digits or "0") if len(digits) < 4 else 1000

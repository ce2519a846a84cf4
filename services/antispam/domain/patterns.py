"""Many regular expressions matched in one pass, in linear time: RE2 does not backtrack, so no message can bomb it."""

from __future__ import annotations

from collections.abc import Sequence

import re2

PATTERN_LIMIT = 1000  # characters
_MEMORY_OCTETS = 32 * 1024 * 1024


class WrongPattern(ValueError):
    """RE2 does not take it; `str()` says why."""


class Patterns:
    """`matches` answers which of the patterns occur in a text."""

    def __init__(self, patterns: Sequence[str]) -> None:
        """Raises `WrongPattern`."""
        self._each = [compiled(pattern) for pattern in patterns]
        self._together = re2.Set.SearchSet(_options())
        for pattern in patterns:
            self._together.Add(pattern)
        # RE2's set answers "nothing" as well when its automaton outgrows the memory. This one always matches, so that
        # an empty answer can only mean the latter.
        self._canary = self._together.Add("")
        self._together.Compile()

    def matches(self, text: str) -> list[int]:
        """Indexes of the patterns that occur, ascending."""
        if not self._each:
            return []
        octets = text.encode("utf-8", "replace")
        found = self._together.Match(octets)
        if not found:
            return [index for index, pattern in enumerate(self._each) if pattern.search(octets)]
        return sorted(index for index in found if index != self._canary)


def compiled(pattern: str) -> re2._Regexp:
    """Raises `WrongPattern`, also for a pattern that is too long or needs too large an automaton."""
    if len(pattern) > PATTERN_LIMIT:
        raise WrongPattern(f"the pattern is longer than {PATTERN_LIMIT} characters")
    try:
        return re2.compile(pattern, _options())
    except re2.error as error:
        text = error.args[0] if error.args else error
        raise WrongPattern(text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)) from None


def _options() -> re2.Options:
    options = re2.Options()
    options.max_mem = _MEMORY_OCTETS
    options.log_errors = False
    return options

"""Many regular expressions matched in one pass, in linear time: RE2 does not backtrack, so no message can bomb it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import re2

PATTERN_LIMIT = 1000  # characters
SIZE_LIMIT = 20_000  # instructions of RE2 for one pattern; some 25 ms to compile
_TOGETHER_SIZE = 100_000  # and for one automaton
_MEMORY_OCTETS = 64 * 1024 * 1024


class InvalidPattern(ValueError):
    """RE2 does not take it, or only as a huge automaton; `str()` says why."""


class Patterns:
    """`matches` answers which of the patterns occur in a text."""

    def __init__(self, patterns: Sequence[str]) -> None:
        """Raises `InvalidPattern`."""
        self._groups = list(_groups(patterns))

    def matches(self, text: str) -> list[int]:
        """Indexes of the patterns that occur, ascending."""
        octets = text.encode("utf-8", "replace")
        return [group.first + index for group in self._groups for index in group.matches(octets)]


class _Group:
    """Patterns that are searched together."""

    def __init__(self, first: int, patterns: Sequence[str], each: Sequence[re2._Regexp]) -> None:
        self.first = first
        self._each = each
        self._together = _together(patterns)

    def matches(self, octets: bytes) -> list[int]:
        found = self._together.Match(octets) if self._together else None
        if not found:
            return [index for index, pattern in enumerate(self._each) if pattern.search(octets)]
        return sorted(index for index in found if index < len(self._each))


def _together(patterns: Sequence[str]) -> re2.Set | None:
    """None when they are too large for one automaton after all.

    RE2's set answers "nothing" as well when its automaton outgrows its memory. The empty pattern behind the others
    always matches, so that an empty answer can only mean the latter.
    """
    made = re2.Set.SearchSet(_options())
    for pattern in (*patterns, ""):
        made.Add(pattern)
    try:
        made.Compile()
    except re2.error:
        return None
    return made


def _groups(patterns: Sequence[str]) -> Iterator[_Group]:
    each, first, size = [compiled(pattern) for pattern in patterns], 0, 0
    for index, pattern in enumerate(each):
        size += pattern.programsize
        if size > _TOGETHER_SIZE and index > first:
            yield _Group(first, patterns[first:index], each[first:index])
            first, size = index, pattern.programsize
    if each:
        yield _Group(first, patterns[first:], each[first:])


def compiled(pattern: str) -> re2._Regexp:
    """Raises `InvalidPattern`."""
    if len(pattern) > PATTERN_LIMIT:
        raise InvalidPattern(f"the pattern is longer than {PATTERN_LIMIT} characters")
    try:
        made = re2.compile(pattern, _options())
    except re2.error as error:
        text = error.args[0] if error.args else error
        raise InvalidPattern(text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)) from None
    if made.programsize > SIZE_LIMIT:
        raise InvalidPattern("the pattern repeats too much: it needs too large an automaton")
    return made


def _options() -> re2.Options:
    options = re2.Options()
    options.max_mem = _MEMORY_OCTETS
    options.log_errors = False
    return options

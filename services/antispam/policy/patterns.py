"""Matches many regular expressions in one pass by RE2, in linear time: without backtracking, no text is a bomb."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import re2

PATTERN_LIMIT = 1000  # characters
SIZE_LIMIT = 20_000  # RE2 instructions of one pattern, which compile in about 25 ms
_GROUP_SIZE_LIMIT = 100_000  # RE2 instructions of one automaton
_MEMORY_OCTETS = 64 * 1024 * 1024


class InvalidPattern(ValueError):
    """RE2 rejects the pattern, or its automaton is too large; `str()` says why."""


class Patterns:
    """A set of patterns that are searched together."""

    def __init__(self, patterns: Sequence[str]) -> None:
        """Compile the patterns. Raises `InvalidPattern`."""
        self._groups = list(_groups(patterns))

    def matches(self, text: str) -> list[int]:
        """Return the indexes of the patterns that occur in the text, in ascending order."""
        octets = text.encode("utf-8", "replace")
        return [group.first + index for group in self._groups for index in group.matches(octets)]


class _Group:
    """Consecutive patterns that fit in one automaton; `first` is the index of the first one."""

    def __init__(self, first: int, patterns: Sequence[str], each: Sequence[re2._Regexp]) -> None:
        self.first = first
        self._patterns = each
        self._set = _compile_set(patterns)

    def matches(self, octets: bytes) -> list[int]:
        found = self._set.Match(octets) if self._set else None
        if not found:
            return [index for index, pattern in enumerate(self._patterns) if pattern.search(octets)]
        return sorted(index for index in found if index < len(self._patterns))


def _compile_set(patterns: Sequence[str]) -> re2.Set | None:
    """Compile the patterns into one automaton; None when it is too large.

    RE2's set also reports no match when its automaton exceeds its memory. The empty pattern after the others always
    matches, so that an empty answer can only mean exceeded memory.
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
    each, first, size = [compile_pattern(pattern) for pattern in patterns], 0, 0
    for index, pattern in enumerate(each):
        size += pattern.programsize
        if size > _GROUP_SIZE_LIMIT and index > first:
            yield _Group(first, patterns[first:index], each[first:index])
            first, size = index, pattern.programsize
    if each:
        yield _Group(first, patterns[first:], each[first:])


def compile_pattern(pattern: str) -> re2._Regexp:
    """Compile one pattern. Raises `InvalidPattern`."""
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

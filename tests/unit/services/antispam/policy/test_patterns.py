"""Many patterns are searched in one pass, in linear time."""

import pytest
import re2

from services.antispam.policy.patterns import InvalidPattern, Patterns, compile_pattern


def test_all_patterns_that_occur_are_found_in_their_order() -> None:
    patterns = Patterns([r"(?i)b\w+d", "x", r"^a", "é"])
    assert patterns.matches("a Bird café") == [0, 2, 3]
    assert patterns.matches("nothing") == []
    assert Patterns([]).matches("anything") == []


def test_patterns_too_large_for_one_automaton_are_searched_in_groups() -> None:
    patterns = Patterns([rf"\pL{{1,6}} x{n}y" for n in range(40)])
    assert len(patterns._groups) > 1
    assert patterns.matches("abc x7y, de x39y") == [7, 39]


@pytest.mark.parametrize("together", [0, 1])
def test_a_set_that_gives_up_is_searched_one_by_one(together: int) -> None:
    patterns = Patterns(["a", "b"])
    patterns._groups[0]._set = [None, re2.Set.SearchSet()][together]
    if together:
        patterns._groups[0]._set.Compile()  # an empty set answers "nothing", as one out of memory does
    assert patterns.matches("xb") == [1]


@pytest.mark.parametrize("bomb", ["(a+)+$", "(a|aa)+$", "(a|a?)+$", r"(.*a){20}$", "^(([a-z])+.)+[A-Z]([a-z])+$"])
def test_a_bomb_for_backtracking_engines_goes_off_nowhere(bomb: str) -> None:
    assert Patterns([bomb]).matches("a" * 50_000 + "!") in ([], [0])


@pytest.mark.parametrize(
    "pattern", ["(", "*", r"(a)\1", "(?=a)", "(?<!a)b", "a{2000}", "x" * 1001, r"(\pL{1,99}\pN){1,9}"]
)
def test_a_pattern_that_re2_rejects_is_refused(pattern: str) -> None:
    with pytest.raises(InvalidPattern):
        compile_pattern(pattern)

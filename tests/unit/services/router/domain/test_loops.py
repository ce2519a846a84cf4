"""Loops in the graph of addresses, against a walk over all paths."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from services.router.domain.loops import find_loops

NAMES = "abcde"
GRAPHS = st.dictionaries(st.sampled_from(NAMES), st.lists(st.sampled_from(NAMES), max_size=4).map(tuple))


def test_a_diamond_is_no_loop() -> None:
    assert find_loops("a", {"a": ("b", "c"), "b": ("d",), "c": ("d",)}) == []


def test_a_loop_is_told_from_its_first_address_back_to_it() -> None:
    assert find_loops("a", {"a": ("b",), "b": ("c",), "c": ("b",)}) == [("b", "c", "b")]


def test_an_address_that_leads_to_itself_is_a_loop() -> None:
    assert find_loops("a", {"a": ("a",)}) == [("a", "a")]


@given(GRAPHS)
def test_a_loop_is_found_where_and_only_where_there_is_one(graph: dict[str, tuple[str, ...]]) -> None:
    def is_cyclic(address: str, path: tuple[str, ...]) -> bool:
        return address in path or any(is_cyclic(target, (*path, address)) for target in graph.get(address, ()))

    loops = find_loops("a", graph)
    assert bool(loops) == is_cyclic("a", ())
    for loop in loops:
        assert loop[0] == loop[-1]
        assert all(after in graph[before] for before, after in itertools.pairwise(loop))

"""Circles in the graph of addresses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping


def find_loops(first: str, ways: Mapping[str, tuple[str, ...]]) -> list[tuple[str, ...]]:
    """The loops that can be reached from `first`: one `(a, b, ..., a)` for each edge that leads back.

    Depth-first with the path in hand (Tarjan 1972: an edge to an address on the path, and only that, closes a circle);
    an edge to one that was left before is a diamond. Iterative, for a chain may be longer than the stack.
    """
    loops: list[tuple[str, ...]] = []
    path = [first]
    place = {first: 0}
    left: set[str] = set()
    open_ways: list[Iterator[str]] = [iter(ways.get(first, ()))]
    while open_ways:
        target = next(open_ways[-1], None)
        if target is None:
            open_ways.pop()
            done = path.pop()
            del place[done]
            left.add(done)
        elif target in place:
            loops.append((*path[place[target] :], target))
        elif target not in left:
            place[target] = len(path)
            path.append(target)
            open_ways.append(iter(ways.get(target, ())))
    return loops

"""Where mail ends: tables of small graphs, then random ones against a plain walk."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.router.domain.explanation import explain
from services.router.domain.resolution import AddressRoute, ExpansionLimits, resolve

LIMITS = ExpansionLimits(depth=10, addresses=100)


def account(name: str, *targets: str, keeps_copy: bool = True, replications: tuple[str, ...] = ()) -> AddressRoute:
    return AddressRoute(name, "account", keeps_copy=keeps_copy, targets=targets, replications=replications)


def alias(name: str, *targets: str) -> AddressRoute:
    return AddressRoute(name, "alias", targets=targets)


def remote(name: str) -> AddressRoute:
    return AddressRoute(name, "remote")


def a_lookup(*routes: AddressRoute) -> Callable[[str], AddressRoute]:
    known = {route.address: route for route in routes}
    return lambda address: known.get(address) or AddressRoute(address, "unknown")


ENDS: Mapping[str, tuple[tuple[AddressRoute, ...], list[str]]] = {
    "an account": ((account("a"),), ["a"]),
    "an alias": ((alias("a", "b"), account("b")), ["b"]),
    "a small list, local and remote": ((alias("a", "b", "x"), account("b"), remote("x")), ["b", "x"]),
    "a redirect without a copy": ((account("a", "b", keeps_copy=False), account("b")), ["b"]),
    "a redirect with a copy": ((account("a", "b"), account("b")), ["a", "b"]),
    "a replication to a fan of forwards": (
        (
            account("a", replications=("b",)),
            alias("b", "f", "g", "h"),
            *(AddressRoute(name, "forward", targets=(f"{name}x",)) for name in "fgh"),
            *(remote(f"{name}x") for name in "fgh"),
        ),
        ["a", "fx", "gx", "hx"],
    ),
    "a diamond": ((alias("a", "b", "c"), alias("b", "d"), alias("c", "d"), account("d")), ["d"]),
    "a replication to itself": ((account("a", replications=("a",)),), ["a"]),
    "two accounts redirected to each other with copies": ((account("a", "b"), account("b", "a")), ["a", "b"]),
    "a loop with a way out": ((alias("a", "b", "c"), alias("b", "a"), account("c")), ["c"]),
    "a list with a dead member": ((alias("a", "gone", "b"), account("b")), ["b"]),
    "a short way beside one that is too long": (
        (
            alias("a", "1", "end"),
            *(alias(str(n), str(n + 1)) for n in range(1, 11)),
            alias("11", "end"),
            account("end"),
        ),
        ["end"],
    ),
}


@pytest.mark.parametrize("case", ENDS)
def test_every_end_is_reached_once(case: str) -> None:
    routes, ends = ENDS[case]
    assert [delivery.address for delivery in resolve("a", a_lookup(*routes), LIMITS).deliveries] == ends


FAILURES: Mapping[str, tuple[tuple[AddressRoute, ...], str, str]] = {
    "nothing there": ((), "5.1.1", "a does not exist"),
    "an alias of itself": ((alias("a", "a"),), "5.4.6", "mail loop: a -> a"),
    "two aliases of each other": ((alias("a", "b"), alias("b", "a")), "5.4.6", "mail loop: a -> b -> a"),
    "a loop further on": ((alias("a", "b"), alias("b", "c"), alias("c", "b")), "5.4.6", "mail loop: b -> c -> b"),
    "accounts redirected to each other without copies": (
        (account("a", "b", keeps_copy=False), account("b", "a", keeps_copy=False)),
        "5.4.6",
        "mail loop: a -> b -> a",
    ),
    "a chain beyond the depth": (
        (alias("a", "1"), *(alias(str(n), str(n + 1)) for n in range(1, 20))),
        "5.4.6",
        "10 is 10 steps away and leads on",
    ),
    "more addresses than allowed": (
        (alias("a", *(f"m{n}" for n in range(101))), *(account(f"m{n}") for n in range(101))),
        "5.5.3",
        "a leads to more than 100 addresses",
    ),
}


@pytest.mark.parametrize("case", FAILURES)
def test_an_address_that_leads_nowhere_says_why(case: str) -> None:
    routes, status, reason = FAILURES[case]
    found = resolve("a", a_lookup(*routes), LIMITS)
    assert found.deliveries == ()
    assert found.failure == f"{status} {reason}"


def test_exactly_as_many_addresses_as_allowed_are_delivered() -> None:
    members = [f"m{n}" for n in range(99)]
    found = resolve("a", a_lookup(alias("a", *members), *map(account, members)), LIMITS)
    assert len(found.deliveries) == 99


def test_what_is_not_loaded_yet_is_named_all_at_once() -> None:
    known = {"a": alias("a", "b", "c", "d"), "c": account("c")}
    assert resolve("a", known.get, LIMITS).missing == {"b", "d"}
    assert resolve("z", known.get, LIMITS).missing == {"z"}


def test_an_address_known_by_two_names_is_one_address() -> None:
    def by_any_name(name: str) -> AddressRoute:
        return {"a": alias("a", "b@main", "b@alias")}.get(name) or account("b@main")

    assert len(resolve("a", by_any_name, LIMITS).deliveries) == 1


def test_the_explanation_has_a_step_for_each_address_and_each_loop() -> None:
    routes = (alias("a", "b", "c"), alias("b", "a"), account("c", "x", keeps_copy=False), remote("x"))
    steps = explain(resolve("a", a_lookup(*routes), LIMITS))
    assert [(step.address, step.kind, step.to) for step in steps] == [
        ("a", "alias", ("b", "c")),
        ("b", "alias", ("a",)),
        ("c", "account", ("x",)),
        ("x", "remote", ()),
        ("b", "loop", ("a",)),
    ]
    assert steps[2].text == "account, redirected to x without a local copy"
    assert steps[4].text == "mail loop: a -> b -> a; cut here"


def test_the_explanation_tells_of_limits() -> None:
    chain = resolve("a", a_lookup(*FAILURES["a chain beyond the depth"][0]), LIMITS)
    assert explain(chain)[-1].text == "10 is 10 steps away and leads on"


names = st.sampled_from([f"n{number}" for number in range(12)])
targets = st.lists(names, max_size=5, unique=True).map(tuple)
routes_of_any_kind: st.SearchStrategy[Any] = st.one_of(
    st.builds(lambda name: ("unknown", (), False, ()), names),
    st.tuples(st.just("account"), targets, st.booleans(), targets),
    st.tuples(st.just("alias"), targets, st.just(False), targets),
    st.tuples(st.just("remote"), st.just(()), st.just(False), st.just(())),
)
graphs = st.dictionaries(names, routes_of_any_kind, max_size=12).map(
    lambda graph: {name: AddressRoute(name, kind, copy, to, more) for name, (kind, to, copy, more) in graph.items()}
)


def reachable(graph: Mapping[str, AddressRoute], start: str) -> set[str]:
    seen, waiting = set(), [start]
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            route = graph.get(name)
            waiting += [*route.targets, *route.replications] if route else []
    return seen


def expected_ends(graph: Mapping[str, AddressRoute], start: str) -> set[str]:
    kinds = {name: graph[name] for name in reachable(graph, start) if name in graph}
    return {n for n, r in kinds.items() if r.kind == "remote" or (r.kind == "account" and r.keeps_copy)}


@given(graphs, names)
def test_random_graphs_end_and_deliver_to_each_reachable_end_once(graph: dict[str, AddressRoute], start: str) -> None:
    found = resolve(start, a_lookup(*graph.values()), ExpansionLimits(depth=12, addresses=12))
    ends = [delivery.address for delivery in found.deliveries]
    assert len(ends) == len(set(ends))
    assert set(ends) == expected_ends(graph, start)
    assert ends or found.failure, "a recipient is delivered or it is told why not"
    assert len(explain(found)) >= len(found.routes)


@given(graphs, names, st.integers(0, 4), st.integers(1, 8))
def test_random_graphs_stay_within_the_limits(
    graph: dict[str, AddressRoute], start: str, depth: int, addresses: int
) -> None:
    asked: list[str] = []

    def counted(name: str) -> AddressRoute:
        asked.append(name)
        return graph.get(name) or AddressRoute(name, "unknown")

    found = resolve(start, counted, ExpansionLimits(depth=depth, addresses=addresses))
    assert len(found.routes) <= addresses + 1
    assert len(asked) <= 1 + 10 * (addresses + 1)
    assert found.deliveries or found.failure


@given(graphs, names)
def test_loops_are_reported_exactly_when_there_are_some(graph: dict[str, AddressRoute], start: str) -> None:
    found = resolve(start, a_lookup(*graph.values()), ExpansionLimits(depth=12, addresses=12))
    lead_on = {
        name: {t for r in [graph.get(name)] if r for t in (*r.targets, *r.replications)} for name in found.routes
    }
    circular = any(name in set().union(*(reachable(graph, t) for t in to)) for name, to in lead_on.items() if to)
    assert any(failure.kind == "loop" for failure in found.failures) == circular
    for failure in found.failures:
        if failure.kind == "loop":
            path = failure.reason.removeprefix("mail loop: ").split(" -> ")
            assert path[0] == path[-1]
            assert all(after in lead_on[before] for before, after in itertools.pairwise(path))

"""A resolution in words."""

from __future__ import annotations

import pytest

from services.router.domain.explanation import explain
from services.router.domain.resolution import AddressRoute, ExpansionLimits, resolve

ROUTES = {
    "list": AddressRoute("list", "alias", targets=("jean", "list")),
    "jean": AddressRoute("jean", "account", keeps_copy=True, targets=("far",), replications=("copy",)),
    "far": AddressRoute("far", "remote"),
}


def told(first: str, *, depth: int = 10) -> list[tuple[str, str, str]]:
    def look_up(address: str) -> AddressRoute:
        return ROUTES.get(address) or AddressRoute(address, "unknown", reason="no such user")

    resolution = resolve(first, look_up, ExpansionLimits(depth=depth, addresses=100))
    return [(step.address, step.kind, step.text) for step in explain(resolution)]


def test_every_address_has_its_step_and_a_loop_follows_them() -> None:
    assert told("list") == [
        ("list", "alias", "alias of jean, list"),
        ("jean", "account", "account: delivered to its mailbox, redirected to far; replicated to copy"),
        ("far", "remote", "not a domain of ours: leaves for another server"),
        ("copy", "unknown", "no such user"),
        ("list", "loop", "mail loop: list -> list; cut here"),
    ]


def test_a_limit_that_was_hit_is_told() -> None:
    assert [kind for _, kind, _ in told("list", depth=1)][-1] in ("limit", "loop")
    assert "limit" in [kind for _, kind, _ in told("list", depth=1)]


def a_step(route: AddressRoute) -> str:
    resolution = resolve(route.address, lambda _: route, ExpansionLimits(depth=1, addresses=10))
    return explain(resolution)[0].text


@pytest.mark.parametrize(
    ("route", "text"),
    [
        (
            AddressRoute("a", "account", keeps_copy=False, targets=("b",)),
            "account, redirected to b without a local copy",
        ),
        (AddressRoute("a", "account", keeps_copy=True), "account: delivered to its mailbox"),
        (AddressRoute("a", "forward", targets=("b",)), "forwarded to b"),
        (AddressRoute("a", "catch-all", targets=("b",)), "no such address; the catch-all of its domain is b"),
        (AddressRoute("a", "postmaster", targets=("b",)), "an address that every domain has; here it is b"),
        (AddressRoute("a", "unknown"), "no such address"),
    ],
)
def test_every_kind_of_address_is_told_in_a_sentence(route: AddressRoute, text: str) -> None:
    assert a_step(route) == text

"""The cache in front of the routes: what is read, how often, and what a change does to it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import timedelta

import pytest

from libs.envelope import Temporary
from services.router.domain.resolution import AddressRoute, ExpansionLimits
from services.router.ports import DomainRoutes
from services.router.resolver import RouteResolver


class Table:
    """Routes in memory, with a list of what was read."""

    def __init__(self, *routes: AddressRoute, domains: Mapping[str, DomainRoutes] | None = None) -> None:
        self.rows = {route.address: route for route in routes}
        self.names = domains or {"o.example": DomainRoutes("o.example")}
        self.read: list[set[str]] = []
        self.while_reading: list[object] = []

    async def domains(self, names: Collection[str]) -> Mapping[str, DomainRoutes]:
        self.read.append(set(names))
        return {name: self.names[name] for name in names if name in self.names}

    async def routes(self, addresses: Collection[str]) -> Mapping[str, AddressRoute]:
        self.read.append(set(addresses))
        found = {address: self.rows[address] for address in addresses if address in self.rows}
        for change in self.while_reading:
            change()  # type: ignore[operator]
        return found


class Gone(Table):
    async def domains(self, names: Collection[str]) -> Mapping[str, DomainRoutes]:
        raise Temporary("no database")


def an_account(name: str) -> AddressRoute:
    return AddressRoute(f"{name}@o.example", "account", keeps_copy=True)


def an_alias(name: str, *targets: str) -> AddressRoute:
    return AddressRoute(f"{name}@o.example", "alias", targets=tuple(f"{target}@o.example" for target in targets))


def a_resolver(table: Table, *, postmaster: str = "") -> RouteResolver:
    return RouteResolver(table, ExpansionLimits(), cached_routes=100, ttl=timedelta(minutes=5), postmaster=postmaster)


async def ends(resolver: RouteResolver, address: str) -> list[str]:
    return [delivery.address for delivery in (await resolver.resolve(address)).deliveries]


async def test_in_the_steady_state_nothing_is_read() -> None:
    table = Table(an_alias("team", "a", "b"), an_account("a"), an_account("b"))
    resolver = a_resolver(table)
    addresses = ["team@o.example", "A@O.example", "x@far.example", "nobody@o.example"]
    first = await resolver.resolve_all(addresses)
    assert table.read == [
        {"o.example", "far.example"},
        {"team@o.example", "a@o.example", "nobody@o.example"},
        {"b@o.example"},
    ]
    table.read.clear()
    assert await resolver.resolve_all(addresses) == first
    assert table.read == []


async def test_a_changed_address_is_read_again_and_no_other() -> None:
    table = Table(an_alias("team", "a"), an_account("a"), an_account("b"))
    resolver = a_resolver(table)
    assert await ends(resolver, "team@o.example") == ["a@o.example"]
    table.rows["team@o.example"] = an_alias("team", "b")
    table.read.clear()
    assert await ends(resolver, "team@o.example") == ["a@o.example"]
    resolver.forget("team@o.example")
    assert await ends(resolver, "team@o.example") == ["b@o.example"]
    assert table.read == [{"o.example"}, {"team@o.example"}, {"b@o.example"}]


async def test_an_address_that_did_not_exist_is_found_once_it_does() -> None:
    table = Table()
    resolver = a_resolver(table)
    assert await ends(resolver, "a@o.example") == []
    table.rows["a@o.example"] = an_account("a")
    resolver.forget("a@o.example")
    assert await ends(resolver, "a@o.example") == ["a@o.example"]


async def test_a_domain_that_was_not_ours_is_found_once_it_is() -> None:
    table = Table(domains={"p.example": DomainRoutes("p.example")})
    resolver = a_resolver(table)
    assert (await resolver.resolve("a@o.example")).first.kind == "remote"
    table.names = {"o.example": DomainRoutes("o.example", catch_all="all@far.example")}
    resolver.forget_all()
    assert await ends(resolver, "a@o.example") == ["all@far.example"]


async def test_what_is_read_while_a_change_comes_in_is_not_kept() -> None:
    table = Table(an_alias("team", "a"), an_account("a"), an_account("b"))
    resolver = a_resolver(table)

    def change() -> None:
        table.rows["team@o.example"] = an_alias("team", "b")
        resolver.forget("team@o.example")
        table.while_reading.clear()

    table.while_reading.append(change)
    assert await ends(resolver, "team@o.example") == ["a@o.example"], "read before the change"
    assert await ends(resolver, "team@o.example") == ["b@o.example"], "and not remembered"


async def test_cached_routes_serve_while_the_database_is_away_and_others_wait() -> None:
    table = Table(an_account("a"))
    resolver = a_resolver(table)
    await resolver.resolve("a@o.example")
    table.__class__ = Gone
    assert await ends(resolver, "a@o.example") == ["a@o.example"]
    with pytest.raises(Temporary):
        await resolver.resolve("b@p.example")


POSTMASTERS = [
    ({"postmaster": "noc@far.example", "catch_all": "all@far.example"}, "root@far.example", "noc@far.example"),
    ({"catch_all": "all@far.example", "first_account": "a@o.example"}, "root@far.example", "root@far.example"),
    ({"catch_all": "all@far.example", "first_account": "a@o.example"}, "", "all@far.example"),
    ({"first_account": "a@o.example"}, "", "a@o.example"),
    ({"first_account": "a@o.example"}, "postmaster@o.example", "a@o.example"),
]


@pytest.mark.parametrize(("domain", "setting", "end"), POSTMASTERS)
async def test_postmaster_goes_to_the_first_that_is_named(domain: dict[str, str], setting: str, end: str) -> None:
    table = Table(an_account("a"), domains={"o.example": DomainRoutes("o.example", **domain)})
    assert await ends(a_resolver(table, postmaster=setting), "Postmaster@o.example") == [end]


async def test_local_parts_elsewhere_keep_their_case() -> None:
    assert await ends(a_resolver(Table()), "Jean@FAR.example") == ["Jean@far.example"]

"""Resolution over cached routes: in the steady state a message costs no read of the database."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import lru_cache

from libs.envelope import Temporary
from libs.mail.address import InvalidAddress, canonical, normalise
from services.router.cache import Expiring
from services.router.domain.resolution import AddressRoute, ExpansionLimits, Resolution, resolve
from services.router.ports import DomainRoutes, RouteTable

FOR_EVERY_DOMAIN = frozenset({"postmaster", "abuse"})  # RFC 5321 4.5.1, RFC 2142 2 and 4

FEW = 1000  # look-ups in one go, some milliseconds

_NOT_OURS = DomainRoutes("")
_canonical = lru_cache(maxsize=16_384)(canonical)
_normalise = lru_cache(maxsize=16_384)(normalise)


class RouteResolver:
    """Answers for addresses as peers and administrators write them."""

    def __init__(
        self, table: RouteTable, limits: ExpansionLimits, *, cached_routes: int, ttl: timedelta, postmaster: str = ""
    ) -> None:
        self._table = table
        self._limits = limits
        self._postmaster = postmaster
        self._domains: Expiring[DomainRoutes] = Expiring(cached_routes, ttl)
        self._routes: Expiring[AddressRoute] = Expiring(cached_routes, ttl)
        self._changes = 0

    async def resolve(self, address: str) -> Resolution:
        """Raises `Temporary` when the routes are neither cached nor to be read."""
        return (await self.resolve_all((address,)))[0]

    async def resolve_all(self, addresses: Sequence[str]) -> list[Resolution]:
        """Return a resolution for each address; missing routes are read in one query, level by level."""
        loaded, before = _Loaded(self._domains, self._routes), self._changes
        for _ in range(2 * self._limits.depth + 4):
            view = _View(loaded, self._postmaster)
            found = await self._followed(addresses, view)
            if not any(resolution.missing for resolution in found):
                return found
            await self._load(view, loaded)
            if self._changes == before:
                loaded.keep()  # a route that was read during a change serves once: it may be older
        raise Temporary("routes change faster than they can be read")

    async def _followed(self, addresses: Sequence[str], view: _View) -> list[Resolution]:
        """Resolve on the event loop; a walk over many addresses continues in a thread and blocks no mail."""
        try:
            with view.few():
                return [resolve(address, view.route, self._limits) for address in addresses]
        except _Many:
            return await asyncio.to_thread(
                lambda: [resolve(address, view.route, self._limits) for address in addresses]
            )

    async def _load(self, view: _View, loaded: _Loaded) -> None:
        if view.domains:
            await self._load_domains(view.domains, loaded)
        routes = await self._table.routes(view.addresses) if view.addresses else {}
        for address in view.addresses:
            loaded.routes[address] = routes.get(address) or AddressRoute(address, "unknown")

    async def _load_domains(self, names: Collection[str], loaded: _Loaded) -> None:
        ours = await self._table.domains(names)
        for name in names:
            loaded.domains[name] = ours.get(name, _NOT_OURS)

    def forget(self, address: str) -> None:
        """The route of `address` changed, and so may the default addresses of its domain."""
        self._changes += 1
        self._routes.drop(address)
        self._domains.drop(address.rpartition("@")[2])

    def forget_all(self) -> None:
        """Forget all routes, because a domain changed."""
        self._changes += 1
        self._routes.clear()
        self._domains.clear()


class _Loaded:
    """The routes that this resolution has read, in front of the cache."""

    def __init__(self, cached_domains: Expiring[DomainRoutes], cached_routes: Expiring[AddressRoute]) -> None:
        self._cached_domains = cached_domains
        self._cached_routes = cached_routes
        self.domains: dict[str, DomainRoutes] = {}
        self.routes: dict[str, AddressRoute] = {}

    def domain(self, name: str) -> DomainRoutes | None:
        return self._cached_domains.get(name) or self.domains.get(name)

    def route(self, address: str) -> AddressRoute | None:
        return self._cached_routes.get(address) or self.routes.get(address)

    def keep(self) -> None:
        for name, domain in self.domains.items():
            self._cached_domains.put(name, domain)
        for address, route in self.routes.items():
            self._cached_routes.put(address, route)


class _Many(Exception):
    """The walk meets more addresses than the loop should wait for."""


class _View:
    """The look-up of one pass; it notes the missing addresses."""

    def __init__(self, loaded: _Loaded, postmaster: str) -> None:
        self._loaded = loaded
        self._postmaster = postmaster
        self.domains: set[str] = set()
        self.addresses: set[str] = set()
        self._left: float = math.inf

    @contextmanager
    def few(self) -> Iterator[None]:
        """Within, the look-up that is one too many raises `_Many`."""
        self._left = FEW
        try:
            yield
        finally:
            self._left = math.inf

    def route(self, text: str) -> AddressRoute | None:
        """None while the domain or the address is not loaded."""
        self._left -= 1
        if self._left < 0:
            raise _Many
        if text.lower() == "postmaster":  # RFC 5321 4.5.1: without a domain it is that of the server
            return self._bare_postmaster()
        try:
            address = _canonical(text)
        except InvalidAddress as error:
            return AddressRoute(text, "unknown", reason=str(error))
        name = address.rpartition("@")[2]
        domain = self._loaded.domain(name)
        if domain is None:
            self.domains.add(name)
            return None
        if domain is _NOT_OURS:
            return AddressRoute(_normalise(text), "remote")
        if domain.name != name:
            address = f"{address.rpartition('@')[0]}@{domain.name}"
        return self._of_ours(address, domain)

    def _of_ours(self, address: str, domain: DomainRoutes) -> AddressRoute | None:
        route = self._loaded.route(address)
        if route is None:
            self.addresses.add(address)
            return None
        if route.kind != "unknown":
            return route
        if address.rpartition("@")[0] in FOR_EVERY_DOMAIN and (target := self._postmaster_of(domain, address)):
            return AddressRoute(address, "postmaster", targets=(target,))
        if domain.catch_all:
            return AddressRoute(address, "catch-all", targets=(domain.catch_all,))
        return route

    def _postmaster_of(self, domain: DomainRoutes, address: str) -> str | None:
        named = (domain.postmaster, self._postmaster, domain.catch_all, domain.first_account)
        return next((target for target in named if target and target != address), None)

    def _bare_postmaster(self) -> AddressRoute | None:
        if self._postmaster:
            return AddressRoute("postmaster", "postmaster", targets=(self._postmaster,))
        oldest = self._loaded.domain("")
        if oldest is None:
            self.domains.add("")
            return None
        if oldest is _NOT_OURS:
            return AddressRoute("postmaster", "unknown")
        return AddressRoute("postmaster", "postmaster", targets=(f"postmaster@{oldest.name}",))

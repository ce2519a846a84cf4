"""The destinations of mail for an address: each final mailbox and each remote address once.

Breadth first, so that every address is met on its shortest way: the depth limit then never depends on the order of
targets. An address met again is not followed again; whether that was a diamond or a loop is told by `loops`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from services.router.domain.loops import find_loops

RouteKind = Literal["account", "alias", "forward", "catch-all", "postmaster", "remote", "unknown"]
FailureKind = Literal["unknown", "loop", "depth", "too many"]


@dataclass(frozen=True, slots=True)
class AddressRoute:
    """What one address is. `address` is in canonical form, its domain a main domain when it is ours.

    `keeps_copy`: a mailbox here gets the message. `targets` and `replications` are followed alike and differ only in
    the explanation. `reason` says why an `unknown` address is none.
    """

    address: str
    kind: RouteKind
    keeps_copy: bool = False
    targets: tuple[str, ...] = ()
    replications: tuple[str, ...] = ()
    reason: str = ""


# None: not known yet; the caller loads the addresses in `Resolution.missing` and resolves again.
Lookup = Callable[[str], AddressRoute | None]


@dataclass(frozen=True, slots=True)
class ExpansionLimits:
    """`depth`: hops from the first address to the last. `addresses`: distinct addresses met on all ways together."""

    depth: int = 20
    addresses: int = 1000


@dataclass(frozen=True, slots=True)
class ResolvedDelivery:
    """A destination: the mailbox of a local account, or a remote address."""

    kind: Literal["local", "remote"]
    address: str


@dataclass(frozen=True, slots=True)
class Failure:
    """A way that ends nowhere, with one sentence for the sender."""

    address: str
    kind: FailureKind
    reason: str

    @property
    def status(self) -> str:
        """RFC 3463: bad destination mailbox address, routing loop detected, too many recipients."""
        match self.kind:
            case "unknown":
                return "5.1.1"
            case "loop" | "depth":
                return "5.4.6"
            case "too many":
                return "5.5.3"


@dataclass(frozen=True, slots=True)
class Resolution:
    """Without deliveries the recipient has failed and `failures` says why; with some, `failures` are lost branches.

    `routes` are the addresses met, in that order; `ways` their edges, by canonical address.
    """

    deliveries: tuple[ResolvedDelivery, ...] = ()
    failures: tuple[Failure, ...] = ()
    routes: Mapping[str, AddressRoute] = field(default_factory=dict)
    ways: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    missing: frozenset[str] = frozenset()

    @property
    def first(self) -> AddressRoute:
        """The address that was asked for; only when nothing is missing."""
        return next(iter(self.routes.values()))

    @property
    def failure(self) -> str:
        """Status and sentence of the first failure when nothing is delivered, else empty."""
        if self.deliveries or not self.failures:
            return ""
        return f"{self.failures[0].status} {self.failures[0].reason}"


def resolve(address: str, lookup: Lookup, limits: ExpansionLimits) -> Resolution:
    """Follow `address` to its ends. Never raises, always ends; work is bounded by `limits`."""
    first = lookup(address)
    if first is None:
        return Resolution(missing=frozenset((address,)))
    if first.kind == "account" and first.keeps_copy and not first.targets and not first.replications:
        return Resolution(
            (ResolvedDelivery("local", first.address),), routes={first.address: first}
        )  # most mail by far
    return _Walk(lookup, limits).from_(first)


class _Walk:
    """One walk over the graph of addresses."""

    def __init__(self, lookup: Lookup, limits: ExpansionLimits) -> None:
        self._lookup = lookup
        self._limits = limits
        self._routes: dict[str, AddressRoute] = {}
        self._ways: dict[str, tuple[str, ...]] = {}
        self._failures: list[Failure] = []
        self._missing: set[str] = set()
        self._met_again = False

    def from_(self, first: AddressRoute) -> Resolution:
        self._routes[first.address] = first
        waiting = deque([(first, 0)])
        while waiting:
            route, depth = waiting.popleft()
            waiting.extend((target, depth + 1) for target in self._follow(route, depth))
            if len(self._routes) > self._limits.addresses:
                return self._too_many(first)
        return self._result(first)

    def _follow(self, route: AddressRoute, depth: int) -> list[AddressRoute]:
        """The targets of `route` that were not met before."""
        if route.kind == "unknown":
            self._failures.append(Failure(route.address, "unknown", route.reason or f"{route.address} does not exist"))
        targets = (*route.targets, *route.replications)
        if targets and depth >= self._limits.depth:
            reason = f"{route.address} is {self._limits.depth} steps away and leads on"
            self._failures.append(Failure(route.address, "depth", reason))
            return []
        return self._meet(route, targets)

    def _meet(self, route: AddressRoute, targets: tuple[str, ...]) -> list[AddressRoute]:
        fresh: list[AddressRoute] = []
        ways: dict[str, None] = {}
        for target in targets:
            found = self._lookup(target)
            if found is None:
                self._missing.add(target)
                continue
            ways[found.address] = None
            if found.address in self._routes:
                self._met_again = True
            elif len(self._routes) <= self._limits.addresses:
                self._routes[found.address] = found
                fresh.append(found)
        self._ways[route.address] = tuple(ways)
        return fresh

    def _result(self, first: AddressRoute) -> Resolution:
        deliveries = tuple(delivery for route in self._routes.values() if (delivery := _delivery(route)))
        if self._met_again:
            for loop in find_loops(first.address, self._ways):
                self._failures.append(Failure(loop[0], "loop", f"mail loop: {' -> '.join(loop)}"))
        if not deliveries and not self._failures and not self._missing:
            self._failures.append(Failure(first.address, "unknown", f"{first.address} leads nowhere"))
        return Resolution(deliveries, tuple(self._failures), self._routes, self._ways, frozenset(self._missing))

    def _too_many(self, first: AddressRoute) -> Resolution:
        reason = f"{first.address} leads to more than {self._limits.addresses} addresses"
        return Resolution((), (Failure(first.address, "too many", reason),), self._routes, self._ways)


def _delivery(route: AddressRoute) -> ResolvedDelivery | None:
    match route.kind:
        case "remote":
            return ResolvedDelivery("remote", route.address)
        case "account" if route.keeps_copy:
            return ResolvedDelivery("local", route.address)
        case _:
            return None

"""Ports of the router."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

from services.router.domain.records import DirectoryRecord
from services.router.domain.resolution import AddressRoute


@dataclass(frozen=True, slots=True)
class DomainRoutes:
    """The routes of a local domain: `name` is the main domain, also for an alias domain.

    `first_account` is the oldest account; it stands for the administrator of the domain.
    """

    name: str
    catch_all: str | None = None
    postmaster: str | None = None
    first_account: str | None = None


class RouteTable(Protocol):
    """Where routes are read. Raises `Temporary`."""

    async def domains(self, names: Collection[str]) -> Mapping[str, DomainRoutes]:
        """Return the local ones of `names`; the name "" asks for the oldest domain."""

    async def routes(self, addresses: Collection[str]) -> Mapping[str, AddressRoute]:
        """Those canonical `addresses` that exist."""


# A precondition on the record that is edited or deleted (If-Match); None accepts any.
Match = Callable[[DirectoryRecord], bool] | None

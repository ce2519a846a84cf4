"""Ports of the router."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from libs.http import Once
from services.router.domain.records import AddressRecord, DirectoryRecord, Domain, Kind
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


class Domains(Protocol):
    """Domains and alias domains. Every change raises `Temporary` and the refusals in its docstring.

    A creation that is repeated with its key (`once`) returns the first result, and raises `MadeAndGone` when the
    record was deleted since.
    """

    async def create(self, domain: Domain, *, once: Once | None = None) -> Domain:
        """`Taken` when the name is in use; `Unfit` when `alias_of` is no main domain."""

    async def find(self, name: str) -> Domain | None:
        """Find a main or alias domain."""

    async def page(self, *, aliases: bool, of: str | None, after: str, limit: int) -> Sequence[Domain]:
        """Return domains by name, behind `after`."""

    async def emptying_junk(self, *, after: str, limit: int) -> Sequence[Domain]:
        """Those with `junk_keep_days`, as `page`."""

    async def edit(self, name: str, change: Callable[[Domain], Domain], *, match: Match = None) -> Domain:
        """`Absent`, `Stale`. `change` may run more than once."""

    async def delete(self, name: str, *, alias: bool, match: Match = None) -> None:
        """`Absent`, `Stale`; `Taken` while it has addresses or alias domains."""

    async def next_number(self, prefix: str) -> int:
        """Return 1, 2, 3 ...: a number of a prefix is given once, even after the end of its account."""


class Addresses(Protocol):
    """Accounts, aliases and forwards by canonical address. Errors as for `Domains`."""

    async def create(
        self, entry: AddressRecord, *, once: Once | None = None, password_hash: str | None = None
    ) -> AddressRecord:
        """`Unfit` when its domain is not ours, `Taken` when the address or login exists or the domain is full."""

    async def find(self, address: str) -> AddressRecord | None: ...

    async def find_login(self, login: str) -> AddressRecord | None: ...

    async def logins_like(self, login: str) -> Collection[str]:
        """Return the login names in use of the form `login` or `login-NUMBER`."""

    async def page(self, kind: Kind, *, domain: str | None, after: str, limit: int) -> Sequence[AddressRecord]:
        """Return records by address, behind `after`."""

    async def redirected(self, *, after: str, limit: int) -> Sequence[AddressRecord]:
        """Accounts with a redirect, as `page`."""

    async def replicated(self, *, after: str, limit: int) -> Sequence[AddressRecord]:
        """Addresses with replications, as `page`."""

    async def owned_by(self, account: str) -> Sequence[AddressRecord]:
        """The other addresses of an account."""

    async def leading_to(self, account: str) -> Sequence[AddressRecord]:
        """Aliases with the account among their targets."""

    async def edit(
        self,
        address: str,
        change: Callable[[AddressRecord], AddressRecord],
        *,
        match: Match = None,
        once: Once | None = None,
        remains: Callable[[AddressRecord], bool] | None = None,
        password_hash: str | None = None,
    ) -> AddressRecord:
        """`Absent`, `Stale` and what `change` raises. `change` may run more than once.

        `remains` tells whether what `once` made by the change is still there.
        """

    async def delete(self, address: str, kind: Kind, *, match: Match = None) -> None:
        """`Absent`, `Stale`. With an account go its credentials and its other addresses."""


class Credentials(Protocol):
    """Password hashes, apart from everything else so that none leaves by accident."""

    async def hash_of(self, account: str) -> str | None: ...

    async def renew(self, account: str, old: str, new: str) -> None:
        """The same password under stronger parameters; nothing when it was changed meanwhile."""


class Passwords(Protocol):
    """Argon2id off the event loop. Both raise `Temporary` when too many wait."""

    async def hash(self, password: str) -> str: ...

    async def verify(self, stored: str | None, password: str) -> bool:
        """Takes as long without a stored hash as with one."""

    def is_weak(self, stored: str) -> bool:
        """Whether its parameters differ from the settings."""

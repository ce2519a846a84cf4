"""Changes of the directory that need more than one look at it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from libs.http import Once, birth_mark
from libs.mail.address import InvalidAddress, canonical, normalise
from services.router.adapters.addresses import MongoAddresses
from services.router.adapters.argon2 import Argon2Passwords
from services.router.adapters.domains import MongoDomains
from services.router.domain.names import account_name, login_name, numbered
from services.router.domain.passwords import WeakPassword, check
from services.router.domain.records import AccountDetails, AddressRecord, Domain
from services.router.refusals import AlreadyExists, LoginExists, NotFound, Unprocessable

_TRIES = 20


class Directory:
    """Domains and addresses, with the rules that hold between them."""

    def __init__(
        self,
        domains: MongoDomains,
        addresses: MongoAddresses,
        passwords: Argon2Passwords,
        clock: Callable[[], datetime],
        *,
        max_targets: int,
    ) -> None:
        self.domains = domains
        self.addresses = addresses
        self._passwords = passwords
        self._clock = clock
        self._max_targets = max_targets

    async def entry(self, address: str, **fields: object) -> AddressRecord:
        """A new entry for `address` in its main domain. Raises `Unprocessable` when that is not ours."""
        place = await self.located(address)
        domain = await self.main_domain(place)
        if domain is None:
            raise Unprocessable(f"{place.rpartition('@')[2]} is not a domain of ours")
        made = {"address": place, "domain": domain.name, "birth": birth_mark(), "created_at": self._clock()}
        return AddressRecord.model_validate({**made, **fields})

    async def located(self, address: str) -> str:
        """`address` as it is kept: canonical and in its main domain when it is ours, in normal form when not."""
        try:
            local, _, name = canonical(address).rpartition("@")
            domain = await self.domains.find(name)
            return f"{local}@{domain.alias_of or domain.name}" if domain else normalise(address)
        except InvalidAddress as error:
            raise Unprocessable(f"{error}") from None

    async def main_domain(self, address: str) -> Domain | None:
        """The domain of a located address; None when it is elsewhere."""
        found = await self.domains.find(address.rpartition("@")[2])
        return found if found is not None and found.alias_of is None else None

    async def found(self, address: str, kind: str) -> AddressRecord:
        """The account, alias or forward `address`. Raises `NotFound`."""
        place = await self.located(address)
        entry = await self.addresses.find(place)
        if entry is None or entry.kind != kind:
            raise NotFound(f"there is no {kind} {place}")
        return entry

    async def targets(self, given: Sequence[str], *, of: str) -> tuple[str, ...]:
        """Located, each once. Raises `Unprocessable` for the address itself, for none and for too many."""
        if len(given) > self._max_targets:
            raise Unprocessable(f"an address may lead to at most {self._max_targets} others, not {len(given)}")
        places = tuple(dict.fromkeys([await self.located(target) for target in given]))
        if not places:
            raise Unprocessable("there must be at least one target")
        if of in places:
            raise Unprocessable(f"mail loop: {of} would lead to itself")
        return places

    async def external(self, target: str) -> str:
        """The target of a forward. Raises `Unprocessable` when it is ours."""
        place = await self.located(target)
        if await self.main_domain(place):
            raise Unprocessable("a forward leads to an address elsewhere; within our domains use an alias")
        return place

    async def password_hash(self, password: str) -> str:
        """Raises `Unprocessable` for a password that is not good enough, `Temporary` when too many are being hashed."""
        try:
            check(password)
        except WeakPassword as error:
            raise Unprocessable(str(error)) from None
        return await self._passwords.hash(password)

    async def make_account(
        self, entry: AddressRecord, *, password: str, login: str | None, once: Once | None
    ) -> AddressRecord:
        """`entry` has no login name yet. A generated one is numbered until it is free."""
        hashed = await self.password_hash(password)
        if login is not None:
            return await self.addresses.create(_named(entry, login), once=once, password_hash=hashed)
        details, local = entry.details, entry.address.rpartition("@")[0]
        wanted = login_name(details.surname, details.given_names, local_part=local)
        for _ in range(_TRIES):
            free = numbered(wanted, await self.addresses.logins_like(wanted))
            try:
                return await self.addresses.create(_named(entry, free), once=once, password_hash=hashed)
            except LoginExists:
                continue  # by another replica, in between
        raise AlreadyExists(f"no free login name like {wanted}")

    async def numbered_address(self, domain_name: str) -> str:
        """The next address of the domain's account-name prefix. Raises `NotFound`, `Unprocessable`."""
        domain = await self.domains.find(domain_name)
        if domain is None:
            raise NotFound(f"there is no domain {domain_name}")
        if domain.account_prefix is None:
            raise Unprocessable(f"{domain_name} has no account-name prefix: give the address")
        while True:
            number = await self.domains.next_number(domain.account_prefix)
            address = f"{account_name(domain.account_prefix, number)}@{domain.name}"
            if await self.addresses.find(address) is None:
                return address

    async def add_address(self, account: AddressRecord, address: str, *, once: Once | None = None) -> AddressRecord:
        """Another address of the account. Raises `AlreadyExists` when it exists."""
        entry = await self.entry(address, kind="alias", targets=(account.address,), owner=account.address)
        return await self.addresses.create(entry, once=once)

    async def make_official(self, account: AddressRecord, address: str) -> tuple[str, bool]:
        """`address` as the official one of the account, and whether it had to be made. The old one stays an address."""
        place = await self.located(address)
        existing = await self.addresses.find(place)
        if existing is None:
            await self.add_address(account, place)
        elif account.address not in (existing.address, existing.owner):
            raise AlreadyExists(f"{place} belongs to somebody else")
        return place, existing is None


def new_details(address: str, **fields: object) -> AccountDetails:
    """Of an account that has no login name yet."""
    return AccountDetails.model_validate({"login": "", "official_address": address, **fields})


def _named(entry: AddressRecord, login: str) -> AddressRecord:
    return entry.with_details(login=login)

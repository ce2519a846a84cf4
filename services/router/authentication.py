"""Authentication by login and password."""

from __future__ import annotations

from dataclasses import dataclass

from services.router.adapters.addresses import MongoAddresses
from services.router.adapters.argon2 import Argon2Passwords
from services.router.adapters.credentials import MongoCredentials
from services.router.adapters.domains import MongoDomains
from services.router.directory import Directory
from services.router.domain.records import AddressRecord
from services.router.refusals import Unprocessable


class AccountSuspended(Exception):
    """The password is right and the account is suspended."""


@dataclass(frozen=True, slots=True)
class Authentication:
    """Takes the same time for an unknown login, an account without credentials and a wrong password."""

    directory: Directory
    domains: MongoDomains
    addresses: MongoAddresses
    credentials: MongoCredentials
    passwords: Argon2Passwords

    async def account(self, login: str, password: str) -> AddressRecord | None:
        """Return the account, or None for any wrong login. Raises `AccountSuspended`; `Temporary` without an answer."""
        entry = await self._named(login)
        stored = await self.credentials.hash_of(entry.address if entry else "")
        right = await self.passwords.verify(stored, password)
        if entry is None or stored is None or not right:
            return None
        if entry.details.suspended:
            raise AccountSuspended
        if self.passwords.is_weak(stored):
            await self.credentials.renew(entry.address, stored, await self.passwords.hash(password))
        return entry

    async def _named(self, login: str) -> AddressRecord | None:
        """Find the account by login name, official address or any other address, in alias domains too."""
        if "@" not in login:
            return await self.addresses.find_login(login.strip().lower())
        try:
            entry = await self.addresses.find(await self.directory.located(login))
        except Unprocessable:
            return None
        if entry is not None and entry.owner is not None:
            entry = await self.addresses.find(entry.owner)
        return entry if entry is not None and entry.kind == "account" else None

    async def sender_addresses(self, account: AddressRecord) -> tuple[str, ...]:
        """Return the addresses that the account may send as: its own and its aliases, in alias domains too."""
        own = [account.details.official_address, account.address]
        own += [entry.address for entry in await self.addresses.owned_by(account.address)]
        own += [entry.address for entry in await self.addresses.leading_to(account.address)]
        names: dict[str, list[str]] = {}
        for address in dict.fromkeys(own):
            domain = address.rpartition("@")[2]
            if domain not in names:
                others = await self.domains.page(aliases=True, of=domain, after="", limit=1000)
                names[domain] = [domain, *(other.name for other in others)]
        return tuple(
            f"{address.rpartition('@')[0]}@{name}"
            for address in dict.fromkeys(own)
            for name in names[address.rpartition("@")[2]]
        )

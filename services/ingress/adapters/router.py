"""The router over HTTP, with short caches that its events invalidate."""

from __future__ import annotations

import hmac
import os
from collections.abc import Callable
from datetime import timedelta
from hashlib import sha256

from libs.caching import LoadingCache, TtlCache
from libs.neighbours import RouterClient
from services.ingress.domain.relaying import Login
from services.ingress.ports import AddressResolution

_MAX_ENTRIES = 50_000
_INDIRECT = ":indirect"  # no address and no domain


class CachedDirectory:
    """What the router says of recipients, logins and senders.

    A login that succeeded is kept for a while under a keyed digest of login and password (the key dies with the
    process): Argon2 at every connection of every client would cost more than all else.
    """

    def __init__(self, router: RouterClient, *, ttl: timedelta, clock: Callable[[], float]) -> None:
        self._router = router
        seconds = ttl.total_seconds()
        self._recipients: LoadingCache[str, AddressResolution] = LoadingCache(
            self._ask_recipient, ttl=seconds, max_entries=_MAX_ENTRIES, clock=clock, tags=_depends_on
        )
        # There are many strangers and few changes; those are told by events. The answer is our main domain, if any.
        self._domains: LoadingCache[str, str] = LoadingCache(
            self._ask_domain, ttl=10 * seconds, max_entries=_MAX_ENTRIES, clock=clock, tags=lambda _, main: (main,)
        )
        self._senders: LoadingCache[str, frozenset[str]] = LoadingCache(
            self._ask_senders, ttl=seconds, max_entries=_MAX_ENTRIES, clock=clock, tags=lambda _, addresses: addresses
        )
        self._logins: TtlCache[bytes, Login] = TtlCache(max_entries=_MAX_ENTRIES, clock=clock)
        self._ttl = seconds
        self._key = os.urandom(32)

    async def recipient(self, address: str) -> AddressResolution:
        return await self._recipients.get(address)

    async def is_ours(self, domain: str) -> bool:
        """Asked of its postmaster: so there is one question a domain, whoever the senders are."""
        return bool(await self._domains.get(domain))

    async def senders(self, account: str) -> frozenset[str]:
        return await self._senders.get(account)

    async def authenticate(self, login: str, password: str) -> Login | None:
        digest = hmac.digest(self._key, f"{login}\0{password}".encode(), sha256)
        known = self._logins.get(digest)
        if known is not None:
            return known
        generation = self._logins.generation
        identity = await self._router.authenticate(login, password)
        if identity is None or not identity.may_send:
            return None
        found = Login(identity.account)
        # A password that was changed while we asked is not remembered: `generation` is another one then.
        self._logins.put(digest, found, seconds=self._ttl, generation=generation, tags=(found.account,))
        return found

    def address_changed(self, address: str) -> None:
        """Its route, its account, its password or its senders: what depends on it is asked anew, and nothing else."""
        self._recipients.forget_tagged(address, _INDIRECT)
        self._senders.forget(address)
        self._senders.forget_tagged(address)
        self._logins.forget_tagged(address)

    def domain_changed(self, domain: str, alias: str = "") -> None:
        """A domain of ours was made, changed or deleted, or got the name `alias`."""
        names = (domain, alias) if alias else (domain,)
        self._recipients.forget_tagged(*names, _INDIRECT)
        self._domains.forget(*names)
        self._domains.forget_tagged(domain)

    async def _ask_recipient(self, address: str) -> AddressResolution:
        found = await self._router.recipient(address)
        return AddressResolution(found.status, found.domain, found.account, found.max_size_bytes, found.reason)

    async def _ask_domain(self, domain: str) -> str:
        """Our main domain of that name; empty when it is none of ours."""
        found = await self._ask_recipient(f"postmaster@{domain}")
        return "" if found.status == "not_ours" else found.domain or domain

    async def _ask_senders(self, account: str) -> frozenset[str]:
        """None for an account that is gone or may not send: it was allowed in, and then something changed."""
        sender = await self._router.sender(account)
        return frozenset(sender.addresses) if sender is not None and sender.may_send else frozenset()


def _depends_on(address: str, found: AddressResolution) -> tuple[str, ...]:
    """The tags of an answer: the address as peers write it and as it is kept, both domains, and whether others count.

    An alias leads over other addresses, and so does a name that nobody has because what it leads to is gone: any change
    of an address may concern these.
    """
    local, _, domain = address.rpartition("@")
    kept = f"{local}@{found.domain}" if found.domain else address
    match found.status:
        case "local":
            is_direct = found.account == kept
        case "unknown":
            is_direct = not found.reason or kept in found.reason.split()
        case _:
            is_direct = True
    return (address, kept, domain, found.domain) if is_direct else (address, kept, domain, found.domain, _INDIRECT)

"""The other services in the words of quota."""

from __future__ import annotations

from libs.neighbours import RouterClient, StoreClient
from services.quota.ports import MailboxTotals


class StoreCounter:
    """The totals of mailboxes, counted by store."""

    def __init__(self, store: StoreClient) -> None:
        self._store = store

    async def recount(self, address: str) -> MailboxTotals | None:
        totals = await self._store.recount(address)
        return None if totals is None else MailboxTotals(address=address, **totals.model_dump())


class RouterDirectory:
    """The accounts and domains of router."""

    def __init__(self, router: RouterClient) -> None:
        self._router = router

    async def is_account(self, address: str) -> bool:
        return (await self._router.recipient(address)).account == address

    async def main_domain(self, domain: str) -> str | None:
        # Every domain has this address (RFC 5321 4.5.1), whether or not mail for it can be delivered.
        postmaster = await self._router.recipient(f"postmaster@{domain}")
        return None if postmaster.status == "not_ours" else postmaster.domain or None

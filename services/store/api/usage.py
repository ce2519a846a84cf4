"""Totals of a mailbox."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from services.store.api.context import Mailbox, StoreContext, router
from services.store.api.views import MailboxTotals


def usage_routes(context: StoreContext) -> APIRouter:
    api = router("usage", "quota")

    @api.get("/usage", summary="Get the totals of a mailbox")
    async def get_mailbox_totals(
        address: Mailbox,
        recount: Annotated[bool, Query(description="Count the messages anew and repair the counters.")] = False,
    ) -> MailboxTotals:
        """Counts the octets and messages of a mailbox exactly."""
        if not recount:
            return MailboxTotals.of(await context.mailboxes.usage(address))
        usage = await context.mailboxes.recount(address)
        context.usage_publisher.enqueue([usage])
        return MailboxTotals.of(usage)

    return api

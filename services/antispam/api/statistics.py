"""`/v1/statistics`: what was received and found, by domain or account, and day."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, Field

from libs.http import ADMIN, Page, Problem, require
from services.antispam.api.scopes import address_of, scope_of
from services.antispam.filtering.mongo_counters import MongoCounters
from services.antispam.policy.policy import OUTGOING

_LONGEST = timedelta(days=400)
Since = Annotated[date | None, Query(description="First day (UTC); by default 29 days before the last.")]
Until = Annotated[date | None, Query(description="Last day (UTC); by default the present day.")]


class DailyFilterCounts(BaseModel):
    """Counts of one day (UTC): `received`, `spam`, `whitelisted`, `quarantined`, `viruses`, `released`,
    `action:ACTION`, `filter:NAME`, `error:NAME`. Infected mail is not among `received`, which the filters never saw.
    """

    day: date = Field(description="The day (UTC).")
    counts: dict[str, int] = Field(description="Number of messages by counter.")


def statistics_routes(counters: MongoCounters, clock: Callable[[], datetime]) -> APIRouter:
    """The figures are a few seconds behind."""
    router = APIRouter(prefix="/v1/statistics", tags=["statistics"])

    @router.get(
        "/{domain}",
        dependencies=[Depends(require(ADMIN))],
        summary="List statistics of a domain",
    )
    async def list_domain_statistics(
        domain: Annotated[str, Path(description="Domain name, or `outgoing`.")],
        since: Since = None,
        until: Until = None,
    ) -> Page[DailyFilterCounts]:
        """Counts by day (UTC) of a domain, or of `outgoing` mail; by default of the last 30 days. They are a few
        seconds behind.
        """
        scope = scope_of(domain)
        stored = "" if scope == OUTGOING else scope
        return _days(await counters.days(stored, **_between(since, until, clock())))

    @router.get(
        "/accounts/{account:path}",
        dependencies=[Depends(require(ADMIN))],
        summary="List statistics of an account",
    )
    async def list_account_statistics(
        account: Annotated[str, Path(description="Address of the account.")],
        since: Since = None,
        until: Until = None,
    ) -> Page[DailyFilterCounts]:
        """Counts by day (UTC) of the mail to all addresses that lead to this account alone; by default of the last 30
        days.
        """
        return _days(await counters.days_of_account(address_of(account), **_between(since, until, clock())))

    return router


def _between(first: date | None, last: date | None, now: datetime) -> dict[str, str]:
    end = last or now.date()
    start = first or date.fromordinal(max(1, end.toordinal() - 29))
    if not timedelta() <= end - start <= _LONGEST:
        raise Problem(422, f"since must be before until, by at most {_LONGEST.days} days")
    return {"first": start.isoformat(), "last": end.isoformat()}


def _days(found: Sequence[tuple[str, Mapping[str, int]]]) -> Page[DailyFilterCounts]:
    """All days are one page: there are at most as many as `_LONGEST` has."""
    items = [DailyFilterCounts(day=date.fromisoformat(day), counts=dict(counts)) for day, counts in found]
    return Page(items=items, next=None)

"""`/v1/statistics`: what was received and found, by domain or account, and day (R-SPAM-47)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel

from libs.http import ADMIN, Problem, require
from services.antispam.api.scopes import address_of, scope_of
from services.antispam.filtering.mongo_counters import MongoCounters
from services.antispam.policy.policy import OUTGOING

_LONGEST = timedelta(days=400)


class DailyFilterCounts(BaseModel):
    """Counts of one day (UTC): `received`, `spam`, `whitelisted`, `quarantined`, `viruses`, `released`,
    `action:ACTION`, `filter:NAME`, `error:NAME`. Infected mail is not among `received`, which the filters never saw.
    """

    day: date
    counts: dict[str, int]


def statistics_routes(counters: MongoCounters, clock: Callable[[], datetime]) -> APIRouter:
    """The figures are a few seconds behind."""
    router = APIRouter(prefix="/v1/statistics", tags=["statistics"])

    @router.get(
        "/{domain}",
        dependencies=[Depends(require(ADMIN))],
        summary="Counts of a domain (or of `outgoing` mail) by day, by default of the last 30 days",
    )
    async def list_domain_statistics(
        domain: str,
        first: date | None = Query(None, alias="from"),  # noqa: B008
        last: date | None = Query(None, alias="to"),  # noqa: B008
    ) -> list[DailyFilterCounts]:
        scope = scope_of(domain)
        stored = "" if scope == OUTGOING else scope
        return _days(await counters.days(stored, **_between(first, last, clock())))

    @router.get(
        "/accounts/{account:path}",
        dependencies=[Depends(require(ADMIN))],
        summary="Counts of an account, of mail to any address that leads to it alone; `filter:NAME` of its spam",
    )
    async def list_account_statistics(
        account: str,
        first: date | None = Query(None, alias="from"),  # noqa: B008
        last: date | None = Query(None, alias="to"),  # noqa: B008
    ) -> list[DailyFilterCounts]:
        return _days(await counters.days_of_account(address_of(account), **_between(first, last, clock())))

    return router


def _between(first: date | None, last: date | None, now: datetime) -> dict[str, str]:
    end = last or now.date()
    start = first or date.fromordinal(max(1, end.toordinal() - 29))
    if not timedelta() <= end - start <= _LONGEST:
        raise Problem(422, f"from must be before to, by at most {_LONGEST.days} days")
    return {"first": start.isoformat(), "last": end.isoformat()}


def _days(found: Sequence[tuple[str, Mapping[str, int]]]) -> list[DailyFilterCounts]:
    return [DailyFilterCounts(day=date.fromisoformat(day), counts=dict(counts)) for day, counts in found]

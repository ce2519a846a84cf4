"""`/v1/statistics`: what was received and found, by domain and day (R-SPAM-47)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel

from libs.http import Problem, Role, require
from services.antispam.adapters.counters import MongoCounters
from services.antispam.api.scopes import scope_of
from services.antispam.domain.policy import OUTGOING

_LONGEST = timedelta(days=400)


class Day(BaseModel):
    """Counts of one day (UTC): `received`, `spam`, `whitelisted`, `action:ACTION`, `filter:NAME`, `error:NAME`."""

    day: date
    counts: dict[str, int]


def statistics_routes(counters: MongoCounters, clock: Callable[[], datetime]) -> APIRouter:
    """The figures are a few seconds behind."""
    router = APIRouter(prefix="/v1/statistics", tags=["statistics"])

    @router.get(
        "/{domain}",
        dependencies=[Depends(require(Role.ADMIN, Role.SERVICE))],
        summary="Counts of a domain (or of `outgoing` mail) by day, by default of the last 30 days",
    )
    async def read(
        domain: str,
        first: date | None = Query(None, alias="from"),  # noqa: B008
        last: date | None = Query(None, alias="to"),  # noqa: B008
    ) -> list[Day]:
        end = last or clock().date()
        start = first or end - timedelta(days=29)
        if not timedelta() <= end - start <= _LONGEST:
            raise Problem(422, f"from must be before to, by at most {_LONGEST.days} days")
        scope = scope_of(domain)
        stored = "" if scope == OUTGOING else scope
        found = await counters.days(stored, first=start.isoformat(), last=end.isoformat())
        return [Day(day=date.fromisoformat(day), counts=dict(counts)) for day, counts in found]

    return router

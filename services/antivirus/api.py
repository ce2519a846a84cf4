"""HTTP: scan octets, see the engines and the statistics."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field

from libs.envelope import Finding
from libs.http import ADMIN, APPLICATION, Page, Problem, question, require
from services.antivirus.adapters.counts import MongoCounts
from services.antivirus.domain.judgement import DetectionAction, Judgement
from services.antivirus.engines import Engines, EngineState
from services.antivirus.handlers import Scanner
from services.antivirus.ports import DayCount, ScanItem

_LONGEST_SPAN = timedelta(days=400)


class ScanResult(BaseModel):
    """`action` is what would become of a message like this; `infected` means a virus or a known bad fingerprint."""

    infected: bool
    action: DetectionAction
    reason: str = Field(description="Why it would be held; empty if it would not.")
    findings: list[Finding]


class EngineView(BaseModel):
    """`signature_age_seconds` is null where the engine does not date its signatures.

    `stale` marks old signatures of an engine that gets new ones every day (ClamAV).
    """

    name: str
    up: bool
    reason: str = Field(description="Why it is down; empty if it is up.")
    signature_version: str | None
    signature_age_seconds: float | None
    stale: bool
    trouble: str = Field(description="Why newer signatures are not in use (a broken file of rules); empty if they are.")

    @classmethod
    def of(cls, state: EngineState, now: datetime, stale_after: timedelta) -> EngineView:
        """Return the state of the engine at `now`."""
        signatures = state.signatures
        age = now - signatures.released_at if signatures and signatures.released_at else None
        return cls(
            name=state.name,
            up=state.up,
            reason=state.reason,
            signature_version=signatures.version if signatures else None,
            signature_age_seconds=age.total_seconds() if age is not None else None,
            stale=signatures is not None and signatures.daily and age is not None and age > stale_after,
            trouble=signatures.trouble if signatures else "",
        )


def routes(
    scanner: Scanner,
    engines: Engines,
    counts: MongoCounts,
    *,
    stale_after: timedelta,
    clock: Callable[[], datetime],
) -> APIRouter:
    """The API of antivirus, fingerprints apart."""
    router = APIRouter(prefix="/v1", tags=["antivirus"], dependencies=[Depends(require(ADMIN, APPLICATION))])

    @router.post("/scan", summary="Scan the body: a message or any other file; 503 while an engine is down")
    @question
    async def scan_content(request: Request) -> ScanResult:
        return _answer(await scanner.judgement_of(ScanItem(await request.body())))

    @router.get("/engines", summary="The configured engines, whether they answer, how old their signatures are")
    async def list_engines() -> Page[EngineView]:
        return Page(items=[EngineView.of(state, clock(), stale_after) for state in engines.states()], next=None)

    @router.get("/statistics", summary="Messages, viruses and findings by day (UTC); today where no days are given")
    async def list_scan_statistics(first: date | None = None, last: date | None = None) -> Page[DayCount]:
        last = last or clock().date()
        first = first or last
        if not timedelta(0) <= last - first <= _LONGEST_SPAN:
            raise Problem(422, f"from first to last must be 0 to {_LONGEST_SPAN.days} days")
        return Page(items=await counts.days(first=first.isoformat(), last=last.isoformat()), next=None)

    return router


def _answer(judgement: Judgement) -> ScanResult:
    return ScanResult(
        infected=judgement.infected,
        action=judgement.action,
        reason=judgement.quarantine_reason,
        findings=list(judgement.findings),
    )

"""HTTP: scan octets, see the engines and the statistics."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, Field

from libs.envelope import Finding
from libs.http import ADMIN, APPLICATION, About, Page, Problem, question, require
from libs.http.openapi import raw_body
from services.antivirus.adapters.counts import MongoCounts
from services.antivirus.domain.judgement import DetectionAction, ScanJudgement
from services.antivirus.engines import Engines, EngineState
from services.antivirus.handlers import Scanner
from services.antivirus.ports import DayCount, ScanItem

_LONGEST_SPAN = timedelta(days=400)

_RAW_BODY = raw_body("application/octet-stream", "A message, or any other file; the media type does not matter.")

ABOUT = About(
    description="Engines that look for malware, and fingerprints of attachments.",
    tags={
        "antivirus": "Scanning, the state of the engines, and statistics.",
        "fingerprints": "Known attachments, and how often attachments pass by.",
    },
)


class ScanResult(BaseModel):
    """`action` is what would become of a message like this; `infected` means a virus or a known bad fingerprint."""

    infected: bool = Field(description="Whether the content has a virus or a known bad fingerprint.")
    action: DetectionAction = Field(description="What would become of a message with this content.")
    reason: str = Field(description="Why it would be held; empty if it would not.")
    findings: list[Finding] = Field(description="What the engines found.")


class EngineView(BaseModel):
    """`signature_age_seconds` is null where the engine does not date its signatures.

    `stale` marks old signatures of an engine that gets new ones every day (ClamAV).
    """

    name: str = Field(description="Name of the engine.")
    up: bool = Field(description="Whether the engine answers.")
    reason: str = Field(description="Why it is down; empty if it is up.")
    signature_version: str | None = Field(
        description="Version of its signatures; null where the engine has none or does not tell."
    )
    signature_age_seconds: float | None = Field(description="Age of its signatures; null where they are not dated.")
    stale: bool = Field(description="Whether signatures that should be renewed daily are too old.")
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


class DailyScanCount(BaseModel):
    """How often something happened on a day."""

    day: date = Field(description="The day (UTC).")
    what: str = Field(description="`message`, `virus` or `finding`.")
    name: str = Field(description="What became of the messages, name of the virus, or kind of the finding.")
    count: int = Field(description="How often.")

    @classmethod
    def of(cls, count: DayCount) -> DailyScanCount:
        return cls(day=date.fromisoformat(count.day), what=count.what, name=count.name, count=count.times)


def routes(
    scanner: Scanner,
    engines: Engines,
    counts: MongoCounts,
    *,
    stale_after: timedelta,
    clock: Callable[[], datetime],
) -> APIRouter:
    """Create the routes of antivirus, without those of fingerprints."""
    router = APIRouter(prefix="/v1", tags=["antivirus"], dependencies=[Depends(require(ADMIN, APPLICATION))])

    @router.post("/scan", summary="Scan content", openapi_extra=_RAW_BODY)
    @question
    async def scan_content(request: Request) -> ScanResult:
        """Scans the body with all engines: a message, or any other file. Nothing is stored or counted. The answer is
        503 while an engine is down, since the content may be malware then.
        """
        return _answer(await scanner.judgement_of(ScanItem(await request.body())))

    @router.get("/engines", summary="List the engines")
    async def list_engines() -> Page[EngineView]:
        """Lists the configured engines, whether they answer, and the age of their signatures."""
        return Page(items=[EngineView.of(state, clock(), stale_after) for state in engines.states()], next=None)

    @router.get("/statistics", summary="List scan statistics")
    async def list_scan_statistics(
        since: Annotated[date | None, Query(description="First day (UTC); by default the last day.")] = None,
        until: Annotated[date | None, Query(description="Last day (UTC); by default the present day.")] = None,
    ) -> Page[DailyScanCount]:
        """Counts messages, viruses and findings by day (UTC); without parameters, of the present day."""
        until = until or clock().date()
        since = since or until
        if not timedelta(0) <= until - since <= _LONGEST_SPAN:
            raise Problem(422, f"since to until must be 0 to {_LONGEST_SPAN.days} days")
        found = await counts.days(first=since.isoformat(), last=until.isoformat())
        return Page(items=[DailyScanCount.of(each) for each in found], next=None)

    return router


def _answer(judgement: ScanJudgement) -> ScanResult:
    return ScanResult(
        infected=judgement.infected,
        action=judgement.action,
        reason=judgement.quarantine_reason,
        findings=list(judgement.findings),
    )

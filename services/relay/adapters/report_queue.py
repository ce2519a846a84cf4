"""Pending reports in MongoDB; the state of a report outlives the outcome of its entry."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from libs.mongo import UpdateOne, mongo_errors
from services.relay.adapters.bodies import Bodies
from services.relay.adapters.documents import entry_of, report_fields, report_of
from services.relay.domain.entries import DONE, Entry
from services.relay.domain.reporting import DeliveryReport

LEASE = timedelta(minutes=5)
MOST_TOGETHER = 100  # recipients in one notification
_PAGE = 500


@dataclass(frozen=True, slots=True)
class Due:
    """An entry with its pending report."""

    entry: Entry
    report: DeliveryReport


class ReportQueue:
    """Claims and settles reports. A claimed report that is not settled is due again after `LEASE`."""

    def __init__(self, database: Any, bodies: Bodies, *, done_retention: timedelta) -> None:
        self._entries = database["deliveries"]
        self._bodies = bodies
        self._done_retention = done_retention

    async def claim(self, *, now: datetime) -> list[list[Due]]:
        """Claim due reports, grouped by notification. A repeated notification keeps its recipients."""
        with mongo_errors("outbound queue"):
            query = self._entries.find({"report.due_at": {"$lte": now}}).sort("report.due_at", 1).limit(_PAGE)
            found = [document async for document in query]
            groups = _grouped(found)
            claims = [
                UpdateOne(
                    {"_id": d["_id"], "report.due_at": d["report"]["due_at"], "report.event": d["report"]["event"]},
                    {"$set": {"report.due_at": now + LEASE, "report.group": group}},
                )
                for group, documents in groups.items()
                for d in documents
            ]
            if not claims:
                return []
            result = await self._entries.bulk_write(claims, ordered=False)
            if result.modified_count < len(claims):
                return []  # another replica claims too: the claimed reports are due again after the lease
        return [
            [Due(entry_of(d), report_of({**d["report"], "group": group})) for d in documents]
            for group, documents in groups.items()
        ]

    async def mark_sent(self, dues: Sequence[Due], *, now: datetime, parked: str = "") -> None:
        """Remove sent reports. `parked` is the mark of the dead letter that they became."""
        done, alive = {"state": {"$in": DONE}}, {"state": {"$nin": DONE}}
        fields: dict[str, Any] = {"expires_at": now + self._done_retention}
        fields |= {"parked": parked} if parked else {}
        writes = []
        for due in dues:
            same = {"_id": due.entry.id, "report.group": due.report.group}
            writes.append(UpdateOne({**same, **done}, {"$set": fields, "$unset": {"report": ""}}))
            writes.append(UpdateOne({**same, **alive}, {"$unset": {"report": ""}}))
        with mongo_errors("outbound queue"):
            await self._entries.bulk_write(writes, ordered=False)
        self._bodies.done({due.entry.message for due in dues})

    async def reschedule(self, dues: Sequence[Due], report: DeliveryReport, *, due_at: datetime) -> None:
        """Schedule `report` in place of the present ones at `due_at`."""
        fields = {**report_fields(report, due_at), "group": report.group}
        writes = [
            UpdateOne({"_id": due.entry.id, "report.group": due.report.group}, {"$set": {"report": fields}})
            for due in dues
        ]
        with mongo_errors("outbound queue"):
            await self._entries.bulk_write(writes, ordered=False)


def _grouped(documents: Sequence[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    groups: dict[str, list[dict[str, Any]]] = {}
    fresh: dict[tuple[str, ...], str] = {}
    for document in documents:
        report = document["report"]
        group = report.get("group", "")
        if not group:
            alike = (document["message"], report["event"], report["way"])
            group = fresh.get(alike, "")
            if not group or len(groups[group]) >= MOST_TOGETHER:
                group = fresh[alike] = uuid.uuid4().hex
        groups.setdefault(group, []).append(document)
    return groups

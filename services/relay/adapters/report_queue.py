"""Reports in MongoDB: what must still be told of entries, a state of its own that outlives the outcome."""

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
from services.relay.domain.reporting import Report

LEASE = timedelta(minutes=5)
MOST_TOGETHER = 100  # recipients in one letter
_PAGE = 500


@dataclass(frozen=True, slots=True)
class Due:
    """An entry and what must be told of it."""

    entry: Entry
    report: Report


class ReportQueue:
    """A report that is claimed comes back after `LEASE`, if whoever claimed it did not settle it."""

    def __init__(self, database: Any, bodies: Bodies, *, keep_done: timedelta) -> None:
        self._entries = database["deliveries"]
        self._bodies = bodies
        self._keep_done = keep_done

    async def claim(self, *, now: datetime) -> list[list[Due]]:
        """What is due, by letter. A letter has the same recipients each time it is tried, so that it is the same."""
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
                return []  # another replica is at it: what we have got comes back after the lease
        return [
            [Due(entry_of(d), report_of({**d["report"], "group": group})) for d in documents]
            for group, documents in groups.items()
        ]

    async def told(self, dues: Sequence[Due], *, now: datetime, parked: str = "") -> None:
        """They are told. `parked` marks the dead letter that they are."""
        done, alive = {"state": {"$in": DONE}}, {"state": {"$nin": DONE}}
        fields: dict[str, Any] = {"expires_at": now + self._keep_done}
        fields |= {"parked": parked} if parked else {}
        writes = []
        for due in dues:
            same = {"_id": due.entry.id, "report.group": due.report.group}
            writes.append(UpdateOne({**same, **done}, {"$set": fields, "$unset": {"report": ""}}))
            writes.append(UpdateOne({**same, **alive}, {"$unset": {"report": ""}}))
        with mongo_errors("outbound queue"):
            await self._entries.bulk_write(writes, ordered=False)
        self._bodies.done({due.entry.message for due in dues})

    async def again(self, dues: Sequence[Due], report: Report, *, due_at: datetime) -> None:
        """Not told yet; `report` says how it is tried then."""
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

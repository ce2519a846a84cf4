"""The queue of notices: a field of the quarantined message, so that it is deleted with the message."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import structlog

from libs.mongo import ReturnDocument, mongo_errors
from services.store.mailboxes.schema import Collections
from services.store.quarantine.model import QuarantinedMessage
from services.store.quarantine.mongo_quarantine import message_of
from services.store.quarantine.notice import NoticeClaim, NoticePlan

log = structlog.get_logger(__name__)

MIN_BACKOFF, MAX_BACKOFF = timedelta(seconds=10), timedelta(minutes=15)


class MongoNotices:
    """All methods raise `Temporary` when MongoDB does not answer."""

    def __init__(self, collections: Collections, *, clock: Callable[[], datetime]) -> None:
        self._entries: Any = collections.quarantine
        self._clock = clock

    async def claim(self) -> NoticeClaim | None:
        """Lease a due notice. Any replica may claim it again if this one does not finish it in time.

        An unreadable entry ends here with its reason, and the next one is claimed.
        """
        while found := await self._next():
            try:
                return NoticeClaim(message_of(found), _plan(found["notice"]), found["notice"]["tries"])
            except Exception as error:
                log.error("notice_unreadable", id=found["_id"], exc_info=error)
                await self.finish(found["_id"], state="failed", reason=f"cannot be read: {error!r}"[:500])
        return None

    async def _next(self) -> dict[str, Any] | None:
        now = self._clock()
        # Each attempt waits longer than the one before; the time is the lease as well.
        growing = {"$multiply": [_seconds(MIN_BACKOFF), {"$pow": [2, "$notice.tries"]}]}
        seconds = {"$min": [growing, _seconds(MAX_BACKOFF)]}
        later = {"$dateAdd": {"startDate": now, "unit": "second", "amount": {"$toLong": seconds}}}
        change = [{"$set": {"notice.due_at": later, "notice.tries": {"$add": ["$notice.tries", 1]}}}]
        with mongo_errors("claim notice"):
            found: dict[str, Any] | None = await self._entries.find_one_and_update(
                {"notice.due_at": {"$lte": now}},
                change,
                sort=[("notice.due_at", 1)],
                return_document=ReturnDocument.AFTER,
            )
        return found

    async def record_decision(self, id: str, plan: NoticePlan) -> bool:
        """Record the plan of the notice. Returns False when another replica was first or the entry is gone."""
        fields = {"recipients": plan.recipients, "whitelists": plan.whitelists, "language": plan.language}
        change = {"notice.state": "decided", **{f"notice.{name}": value for name, value in fields.items()}}
        with mongo_errors("decide notice"):
            done = await self._entries.update_one({"_id": id, "notice.state": "due"}, {"$set": change})
        return bool(done.matched_count)

    async def finish(self, id: str, *, state: str, reason: str = "") -> None:
        """Record the final state: `sent`, or `refused` or `failed` with a reason."""
        change = {"$set": {"notice.state": state, "notice.reason": reason}, "$unset": {"notice.due_at": ""}}
        with mongo_errors("end notice"):
            await self._entries.update_one({"_id": id}, change)

    async def plan_of(self, id: str) -> NoticePlan | None:
        """Return the recorded plan of the entry; None without a plan or entry."""
        with mongo_errors("read notice"):
            found = await self._entries.find_one({"_id": id}, {"notice": 1})
        return _plan(found.get("notice", {})) if found else None

    async def has_sibling(self, held: QuarantinedMessage) -> bool:
        """Return whether the sender has a notice for the same message, held in another entry for other recipients."""
        of_message = {"$gte": f"{held.envelope.id}-", "$lt": f"{held.envelope.id}.", "$ne": held.id}
        query = {"_id": of_message, "notice.state": {"$in": ["decided", "sent"]}}
        with mongo_errors("read notice"):
            return await self._entries.find_one(query, {"_id": 1}) is not None


def _plan(notice: dict[str, Any]) -> NoticePlan | None:
    if "language" not in notice:
        return None
    return NoticePlan(tuple(notice["recipients"]), tuple(notice["whitelists"]), notice["language"])


def _seconds(duration: timedelta) -> int:
    return int(duration.total_seconds())

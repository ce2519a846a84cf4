"""The durable queue of delivery receipts, and the recipients that were reported: no recipient is reported twice."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from libs.envelope import Envelope
from libs.mail.dsn import DsnAction, FailedRecipient
from libs.mongo import DuplicateKey, ReturnDocument, UpdateOne, mongo_errors
from services.store.mailboxes.receipts import DeliveryReceipt
from services.store.mailboxes.schema import Collections

MIN_BACKOFF, MAX_BACKOFF = timedelta(seconds=10), timedelta(minutes=15)
KEPT = timedelta(days=30)  # longer than any mail waits on a queue that may redeliver it


class MongoReceipts:
    """All methods raise `Temporary` when MongoDB does not answer."""

    def __init__(self, collections: Collections, *, clock: Callable[[], datetime]) -> None:
        self._receipts = collections.receipts
        self._reported = collections.heard
        self._clock = clock

    async def store(self, receipt: DeliveryReceipt) -> None:
        """Store the receipt durably. Idempotent: a receipt that was sent is not due again."""
        fields = {
            "envelope": receipt.envelope.model_dump(mode="json", exclude_defaults=True),
            "header": receipt.header,
            "recipients": [_fields(recipient) for recipient in receipt.recipients],
            "noted_at": receipt.noted_at,
            "due_at": self._clock(),
            "tries": 0,
            "state": "due",
            "expires_at": receipt.noted_at + KEPT,
        }
        with mongo_errors("note receipt"):
            await self._receipts.update_one({"_id": receipt.id}, {"$setOnInsert": fields}, upsert=True)

    async def claim(self) -> DeliveryReceipt | None:
        """Lease a due receipt. Any replica may claim it again if this one does not finish it in time."""
        now = self._clock()
        growing = {"$multiply": [MIN_BACKOFF.total_seconds(), {"$pow": [2, {"$min": ["$tries", 10]}]}]}
        seconds = {"$toLong": {"$min": [growing, MAX_BACKOFF.total_seconds()]}}
        later = {"$dateAdd": {"startDate": now, "unit": "second", "amount": seconds}}
        change = [{"$set": {"due_at": later, "tries": {"$add": ["$tries", 1]}}}]
        with mongo_errors("claim receipt"):
            found = await self._receipts.find_one_and_update(
                {"due_at": {"$lte": now}}, change, sort=[("due_at", 1)], return_document=ReturnDocument.AFTER
            )
        return _receipt(found) if found else None

    async def unreported(self, receipt: DeliveryReceipt) -> tuple[FailedRecipient, ...]:
        """Claim the recipients for this receipt, for ever: of two receipts with the same recipient the first one
        reports it.
        """
        marks = {_mark(receipt, recipient): recipient for recipient in receipt.recipients}
        fields = {"receipt": receipt.id, "expires_at": receipt.noted_at + KEPT}
        writes = [UpdateOne({"_id": mark}, {"$setOnInsert": fields}, upsert=True) for mark in marks]
        with suppress(DuplicateKey), mongo_errors("mark recipients"):
            # Where another replica has marked some of them first, the rest is written all the same.
            await self._reported.bulk_write(writes, ordered=False)
        with mongo_errors("read marks"):
            mine = self._reported.find({"_id": {"$in": list(marks)}, "receipt": receipt.id}, {"_id": 1})
            found = {document["_id"] async for document in mine}
        return tuple(recipient for mark, recipient in marks.items() if mark in found)

    async def finish(self, id: str, state: str) -> None:
        """Keep the receipt without its content, so that a repeated delivery creates no other one."""
        gone = dict.fromkeys(("due_at", "envelope", "header", "recipients"), "")
        with mongo_errors("end receipt"):
            await self._receipts.update_one({"_id": id}, {"$set": {"state": state}, "$unset": gone})


def _mark(receipt: DeliveryReceipt, recipient: FailedRecipient) -> str:
    address = sha256(recipient.address.lower().encode("utf-8", "replace")).hexdigest()[:32]
    return f"{receipt.envelope.id}:{address}"


def _fields(recipient: FailedRecipient) -> dict[str, str]:
    return {
        "address": recipient.address,
        "original": recipient.original,
        "status": recipient.status,
        "action": recipient.action.value,
    }


def _receipt(document: Mapping[str, Any]) -> DeliveryReceipt:
    recipients = (
        FailedRecipient(**{**fields, "action": DsnAction(fields["action"])}) for fields in document["recipients"]
    )
    return DeliveryReceipt(
        document["_id"],
        Envelope.model_validate(document["envelope"]),
        bytes(document["header"]),
        tuple(recipients),
        document["noted_at"],
    )

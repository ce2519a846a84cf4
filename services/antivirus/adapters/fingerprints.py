"""The fingerprint database in MongoDB: `fingerprints` {_id: SHA-256 in hex, verdict, name, note, created_at}."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import structlog

from libs.events import FingerprintChanged
from libs.mongo import Batcher, DuplicateKey, mongo_errors
from services.antivirus.domain.fingerprints import Fingerprint, FingerprintVerdict, Hints

log = structlog.get_logger(__name__)

# Clocks of replicas differ, and a write takes its time: entries this much older than the last look are read again.
_OVERLAP = timedelta(minutes=5)
_HINTS_AT_A_TIME = 10_000


class MongoFingerprints:
    """Entries, with a hint of each in memory: nearly all attachments are unknown, and cost no question."""

    def __init__(self, database: Any, clock: Callable[[], datetime]) -> None:
        self._entries = database["fingerprints"]
        self._clock = clock
        self._hints = Hints()
        self._looked_at: datetime | None = None
        self._questions: Batcher[bytes, Fingerprint | None] = Batcher(self._find)

    async def open(self) -> None:
        """Create the index and read the hints. Raises `Temporary`."""
        with mongo_errors("fingerprints"):
            await self._entries.create_index("created_at")
        await self.refresh()

    async def known(self, digests: Sequence[bytes]) -> Sequence[Fingerprint]:
        """Return the known ones of `digests` from the database. Raises `Temporary`."""
        hinted = [digest for digest in digests if self._hints.may_know(digest)]
        return [entry for digest in hinted if (entry := await self._questions.add(digest))]

    async def refresh(self) -> None:
        """Read hints of the fingerprints that were added since the last read; the first read takes all."""
        now = self._clock()
        newer = {"created_at": {"$gte": self._looked_at - _OVERLAP}} if self._looked_at else {}
        digests: list[bytes] = []
        with mongo_errors("fingerprints"):
            async for document in self._entries.find(newer, {"_id": 1}, batch_size=_HINTS_AT_A_TIME):
                digests.append(bytes.fromhex(document["_id"]))
        missing = [digest for digest in digests if not self._hints.may_know(digest)]
        if missing:
            await asyncio.to_thread(self._hints.add_all, missing)
        self._looked_at = now

    async def fingerprint_changed(self, event: FingerprintChanged) -> None:
        """Add the hint of an entry that some process made. A deleted entry is not found when it is looked up."""
        self._hints.add(bytes.fromhex(event.sha256))

    async def get(self, digest: bytes) -> Fingerprint | None:
        """None if it is unknown."""
        with mongo_errors("fingerprints"):
            document = await self._entries.find_one({"_id": digest.hex()})
        return _entry(document) if document else None

    async def create(self, entry: Fingerprint) -> bool:
        """False if there is one for this digest already."""
        try:
            with mongo_errors("fingerprints"):
                await self._entries.insert_one(_document(entry))
        except DuplicateKey:
            return False
        self._hints.add(entry.digest)
        return True

    async def delete(self, digest: bytes) -> bool:
        """False if there was none."""
        with mongo_errors("fingerprints"):
            return bool((await self._entries.delete_one({"_id": digest.hex()})).deleted_count)

    async def page(self, *, after: str | None, limit: int, verdict: FingerprintVerdict | None) -> list[Fingerprint]:
        """In the order of their digests, behind the digest `after` (hex)."""
        wanted: dict[str, Any] = {"_id": {"$gt": after}} if after else {}
        if verdict:
            wanted["verdict"] = verdict
        with mongo_errors("fingerprints"):
            return [_entry(document) async for document in self._entries.find(wanted).sort("_id").limit(limit)]

    async def _find(self, digests: Sequence[bytes]) -> Sequence[Fingerprint | None]:
        wanted = {"_id": {"$in": list({digest.hex() for digest in digests})}}
        with mongo_errors("fingerprints"):
            found = {document["_id"]: _entry(document) async for document in self._entries.find(wanted)}
        return [found.get(digest.hex()) for digest in digests]


def _document(entry: Fingerprint) -> dict[str, Any]:
    return {
        "_id": entry.digest.hex(),
        "verdict": entry.verdict,
        "name": entry.name,
        "note": entry.note,
        "created_at": entry.created_at,
    }


def _entry(document: Mapping[str, Any]) -> Fingerprint:
    return Fingerprint(
        digest=bytes.fromhex(document["_id"]),
        verdict=FingerprintVerdict(document["verdict"]),
        name=document["name"],
        note=document["note"],
        created_at=document["created_at"],
    )

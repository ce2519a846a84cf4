"""HTTP: the fingerprint database and how often attachments were seen."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import AwareDatetime, BaseModel, Field, StringConstraints

from libs.bus import Event
from libs.events import FingerprintChanged
from libs.http import ADMIN, After, Cursor, Page, PageLimit, Problem, RequestBody, require
from libs.http.requests import example
from libs.http.resources import created
from services.antivirus.adapters.counts import MongoCounts
from services.antivirus.adapters.fingerprints import MongoFingerprints
from services.antivirus.domain.fingerprints import Fingerprint, FingerprintVerdict
from services.antivirus.ports import AttachmentCount

_SHA256 = r"^[0-9a-fA-F]{64}$"
Sha256 = Annotated[str, StringConstraints(pattern=_SHA256, to_lower=True)]
InPath = Annotated[str, Path(pattern=_SHA256, description="SHA-256 in hex")]


class NewFingerprint(RequestBody):
    """`bad` is stopped like a virus; `spam` is reported to antispam."""

    model_config = example({"sha256": "ab" * 32, "verdict": "bad", "name": "Local.Invoice"})

    sha256: Sha256 = Field(description="SHA-256 of the attachment, in hex.")
    verdict: FingerprintVerdict = Field(description="`bad` is stopped like a virus, `spam` is reported to antispam.")
    name: str = Field("", max_length=100, description="What findings call it; made from the digest where it is empty.")
    note: str = Field("", max_length=500, description="For people.")


class FingerprintView(NewFingerprint):
    """`seen` is how often it passed by lately, inside archives not counted."""

    created_at: AwareDatetime = Field(description="When it was added.")
    seen: int = Field(description="Number of recent messages with it; those inside archives are not counted.")


class AttachmentView(BaseModel):
    """How often an attachment passed by lately."""

    sha256: str = Field(description="SHA-256 of the attachment, in hex.")
    seen: int = Field(description="Number of messages with it.")
    size_bytes: int = Field(description="Size of the attachment.")
    first_seen_at: AwareDatetime = Field(description="When the first one passed by.")
    last_seen_at: AwareDatetime = Field(description="When the last one passed by.")

    @classmethod
    def of(cls, count: AttachmentCount) -> AttachmentView:
        return cls(
            sha256=count.sha256,
            seen=count.seen,
            size_bytes=count.size_bytes,
            first_seen_at=count.first_seen,
            last_seen_at=count.last_seen,
        )


def fingerprint_routes(
    known: MongoFingerprints,
    counts: MongoCounts,
    *,
    emit: Callable[[Event], Awaitable[None]],
    clock: Callable[[], datetime],
) -> APIRouter:
    """The digest is the key, so that a creating call can be sent again without an idempotency key."""
    router = APIRouter(prefix="/v1", tags=["fingerprints"], dependencies=[Depends(require(ADMIN))])

    digests, frequencies = Cursor("fingerprints"), Cursor("attachments", (int, str))

    async def view(entry: Fingerprint) -> FingerprintView:
        return _view(entry, (await counts.seen([entry.digest])).get(entry.digest, 0))

    @router.get("/fingerprints", summary="List fingerprints")
    async def list_fingerprints(
        after: After = None,
        limit: PageLimit = 50,
        verdict: Annotated[FingerprintVerdict | None, Query(description="Only fingerprints with this verdict.")] = None,
    ) -> Page[FingerprintView]:
        """Known attachments, in the order of their digests."""
        found = await known.page(after=digests.text(after) or None, limit=limit, verdict=verdict)
        seen = await counts.seen([entry.digest for entry in found])
        items = [_view(entry, seen.get(entry.digest, 0)) for entry in found]
        return Page(items=items, next=digests.behind(items, limit, lambda item: item.sha256))

    @router.post("/fingerprints", status_code=201, summary="Add a fingerprint")
    async def create_fingerprint(new: NewFingerprint, response: Response) -> FingerprintView:
        """Makes an attachment known. The digest is its key, so that the call can be repeated: the answer is 200 when
        the attachment is known with this verdict already.
        """
        entry = Fingerprint(bytes.fromhex(new.sha256), new.verdict, new.name, new.note, clock())
        if await known.create(entry):
            await emit(FingerprintChanged(sha256=new.sha256).to_bus())
            created(response, "/v1/fingerprints", new.sha256)
            return await view(entry)
        before = await known.get(entry.digest)
        if before is None or before.verdict != entry.verdict:
            raise Problem(409, "this attachment is known with another verdict; delete that entry first")
        created(response, "/v1/fingerprints", new.sha256, is_new=False)
        return await view(before)

    @router.get("/fingerprints/{sha256}", summary="Get a fingerprint")
    async def get_fingerprint(sha256: InPath) -> FingerprintView:
        """Returns one known attachment."""
        entry = await known.get(bytes.fromhex(sha256))
        if entry is None:
            raise Problem(404, "this attachment is not known")
        return await view(entry)

    @router.delete("/fingerprints/{sha256}", status_code=204, summary="Delete a fingerprint")
    async def delete_fingerprint(sha256: InPath) -> Response:
        """Deletes one fingerprint. Messages that are being scanned may still be stopped."""
        if not await known.delete(bytes.fromhex(sha256)):
            raise Problem(404, "this attachment is not known")
        return Response(status_code=204)

    @router.get("/attachments", summary="List attachments by frequency")
    async def list_attachments(after: After = None, limit: PageLimit = 50) -> Page[AttachmentView]:
        """Attachments of recent messages, the most frequent first."""
        found = await counts.most_seen(after=frequencies.read(after), limit=limit)
        more = frequencies.write(found[-1].seen, found[-1].sha256) if len(found) == limit else None
        return Page(items=[AttachmentView.of(each) for each in found], next=more)

    return router


def _view(entry: Fingerprint, seen: int) -> FingerprintView:
    return FingerprintView(
        sha256=entry.digest.hex(),
        verdict=entry.verdict,
        name=entry.name,
        note=entry.note,
        created_at=entry.created_at,
        seen=seen,
    )

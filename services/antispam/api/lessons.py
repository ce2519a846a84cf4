"""`/v1/lessons`: training samples as lines of JSON, out of one cluster and into another.

Lessons are the truth behind the statistics. Exported ones that come in again are known and change nothing; what came in
can be moved and forgotten like what was taught here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Literal

import orjson
from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from libs.http import ADMIN, Problem, require
from libs.http.openapi import raw_body, raw_response
from libs.http.requests import Unreadable, check_json
from services.antispam.api.scopes import domain_of, scope_of
from services.antispam.learning.learner import Learner
from services.antispam.learning.mongo import MongoBayes
from services.antispam.learning.samples import TrainingSample

_AT_ONCE = 20  # lessons in one transaction
_LINE_OCTETS = 4 * 1024 * 1024
_NDJSON = "application/x-ndjson"

Token = Annotated[str, StringConstraints(min_length=1, max_length=400)]


class LessonLine(BaseModel):
    """A message by the SHA-256 of its octets, what it is, and its tokens."""

    model_config = ConfigDict(extra="ignore")

    digest: str = Field(pattern=r"^[0-9a-f]{64}$")
    kind: Literal["spam", "ham"]
    tokens: frozenset[Token] = Field(max_length=50_000)


class LessonImport(BaseModel):
    """The number of lessons that came in, and of those that were new or changed an earlier one."""

    domain: str = Field(description="Domain; empty for all domains.")
    lessons: int = Field(description="Number of samples that were read.")
    changed: int = Field(description="Number of samples that were new or had another class.")


def lesson_routes(learner: Learner, store: MongoBayes) -> APIRouter:
    """For administrators: tokens are words of people's mail."""
    router = APIRouter(prefix="/v1/lessons", tags=["learning"], dependencies=[Depends(require(ADMIN))])
    whose = Query("", max_length=255, description="Domain whose lessons; empty: those for all.")

    @router.get(
        "",
        summary="Export training samples",
        response_class=StreamingResponse,
        responses=raw_response(_NDJSON, "The samples."),
    )
    async def export_lessons(domain: str = whose) -> StreamingResponse:
        """Exports all samples, a JSON object in each line. The last line is `{"end": N}`; without it, the export is
        incomplete.
        """
        return StreamingResponse(_lines(store, scope_of(domain)), media_type=_NDJSON)

    @router.post(
        "",
        summary="Import training samples",
        openapi_extra=raw_body(_NDJSON, "Exported samples."),
    )
    async def import_lessons(request: Request, domain: str = whose) -> LessonImport:
        """Trains the classifier with exported samples. A large file can be sent in several pieces of whole lines, and
        repeated.
        """
        scope = scope_of(domain)
        lessons = changed = 0
        async for batch in _batches(request.stream(), scope):
            befores = await asyncio.gather(*map(learner.learn, batch))
            lessons += len(batch)
            changed += sum(before != lesson.kind for before, lesson in zip(befores, batch, strict=True))
        return LessonImport(domain=domain_of(scope), lessons=lessons, changed=changed)

    return router


async def _lines(store: MongoBayes, scope: str) -> AsyncIterator[bytes]:
    count = 0
    async for lesson in store.samples(scope):
        count += 1
        yield orjson.dumps({"digest": lesson.digest, "kind": lesson.kind, "tokens": sorted(lesson.tokens)}) + b"\n"
    yield orjson.dumps({"end": count}) + b"\n"


async def _batches(pieces: AsyncIterator[bytes], scope: str) -> AsyncIterator[list[TrainingSample]]:
    batch: list[TrainingSample] = []
    number, rest = 0, b""
    async for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        if len(rest) > _LINE_OCTETS:
            raise Problem(422, f"line {number + len(lines) + 1} is longer than {_LINE_OCTETS} octets")
        for line in lines:
            number += 1
            batch += _read(line, number, scope)
            if len(batch) == _AT_ONCE:
                yield batch
                batch = []
    batch += _read(rest, number + 1, scope)
    if batch:
        yield batch


def _read(line: bytes, number: int, scope: str) -> list[TrainingSample]:
    """None for an empty line and for the end."""
    if not line.strip() or line.startswith(b'{"end":'):
        return []
    try:
        check_json(line)
        read = LessonLine.model_validate_json(line, strict=True)
    except Unreadable as error:
        raise Problem(422, f"line {number} is no lesson: {error}") from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "it"
        raise Problem(422, f"line {number} is no lesson: {where}: {first['msg']}") from None
    return [TrainingSample(scope, read.digest, read.kind, read.tokens)]

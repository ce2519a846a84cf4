"""Batches: many creations in one request, with a result for each of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final, Generic, Protocol, TypeVar

from fastapi import Response
from pydantic import BaseModel, Field, ValidationError, ValidatorFunctionWrapHandler, WrapValidator

from libs.envelope import Permanent, Temporary
from libs.http import Once, Problem
from libs.http.idempotency import Keys
from libs.http.problems import ProblemDocument, invalid_body, problem_document, problem_of
from services.router.api.exchange import Creation

MAX_ITEMS: Final = 200
# The database is probably not available then, and every further try could take until its time-out.
_MAX_DEFERRED_IN_A_ROW = 3


class Addressed(Protocol):
    """The body of a creation; without an address, the creation makes one."""

    @property
    def address(self) -> str | None: ...


V = TypeVar("V", bound=BaseModel)
B = TypeVar("B", bound=Addressed)


@dataclass(frozen=True, slots=True)
class InvalidItem:
    """An item that does not fit the schema: it is refused alone, and not the request with it."""

    errors: Sequence[Mapping[str, Any]]


def _item(value: Any, validate: ValidatorFunctionWrapHandler) -> Any:
    try:
        return validate(value)
    except ValidationError as error:
        return InvalidItem(error.errors(include_url=False, include_input=False))


# Stands in the annotation of the items of a batch: `list[Annotated[NewAlias, EACH_ALONE]]`.
EACH_ALONE: Final = WrapValidator(_item)


class BatchResult(BaseModel, Generic[V]):
    """The result of one item: the resource, or the problem."""

    index: int = Field(description="Position of the item in the request, from 0.")
    address: str | None = Field(None, description="Address of the item; null when it has no valid one.")
    status: int = Field(description="Status code that the single creation would have: 201, 409, 422 ...")
    location: str | None = Field(None, description="Path of the new resource; absent when there is none.")
    resource: V | None = Field(None, description="The created resource; absent when there is none.")
    problem: ProblemDocument | None = Field(None, description="Why it was not created; absent when it was.")


class BatchResults(BaseModel, Generic[V]):
    """The results of all items, in the order of the request."""

    created: int = Field(description="Number of items that were created.")
    failed: int = Field(description="Number of items that were not created.")
    items: list[BatchResult[V]] = Field(description="The result of each item, in the order of the request.")


@dataclass(frozen=True, slots=True)
class BatchCreation(Generic[V]):
    """Creates one item after the other. `result` and `results` are the models of the answer."""

    keys: Keys
    result: type[BatchResult[V]]
    results: type[BatchResults[V]]

    async def create(
        self, items: Sequence[B | InvalidItem], asked: Creation, create: Callable[[B, Creation], Awaitable[V]]
    ) -> BatchResults[V]:
        """Create each item by `create`. Raises `KeyMisused` when the key belongs to another request.

        A repetition with the same Idempotency-Key answers what was created, and tries again what was not.
        """
        if asked.once is not None:
            await self.keys.claim(asked.once, None)
        results: list[BatchResult[V]] = []
        deferred = 0
        for index, item in enumerate(items):
            try:
                if deferred >= _MAX_DEFERRED_IN_A_ROW:
                    raise Problem(503, "not tried, since the items before could not be created: try again")
                result = await self._created(index, item, asked, create)
                deferred = 0
            except (Problem, Temporary, Permanent) as error:
                result = self._refused(index, item, asked, problem_of(error))
                deferred = deferred + 1 if result.status == 503 else 0
            results.append(result)
        created = sum(each.status < 400 for each in results)
        return self.results(created=created, failed=len(results) - created, items=results)

    async def _created(
        self, index: int, item: B | InvalidItem, asked: Creation, create: Callable[[B, Creation], Awaitable[V]]
    ) -> BatchResult[V]:
        if isinstance(item, InvalidItem):
            raise invalid_body({**each, "loc": ("items", index, *each["loc"])} for each in item.errors)
        alone = Creation(asked.role, asked.peer, Response(), _once_of_item(asked.once, index))
        resource = await create(item, alone)
        address, location = getattr(resource, "address", item.address), alone.response.headers["Location"]
        return self.result(index=index, address=address, status=201, location=location, resource=resource)

    def _refused(self, index: int, item: Addressed | InvalidItem, asked: Creation, problem: Problem) -> BatchResult[V]:
        address = None if isinstance(item, InvalidItem) else item.address
        asked.did("batch_item_refused", index=index, address=address, status=problem.status, reason=problem.detail)
        document = ProblemDocument.model_validate(problem_document(problem))
        return self.result(index=index, address=address, status=problem.status, problem=document)


def _once_of_item(once: Once | None, index: int) -> Once | None:
    return once and Once(sha256(f"{once.key}/{index}".encode()).hexdigest(), once.fingerprint)


def batch_answers(resource: dict[str, Any], collection: str) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a batch, with an example of one `resource` and one problem."""
    address = str(resource["address"])
    created = {"index": 0, "address": address, "status": 201, "location": f"/v1/{collection}/{address}"}
    problem = problem_document(Problem(409, f"{address} exists already", kind="already-exists"))
    refused = {"index": 1, "address": address, "status": 409, "problem": problem}
    example = {"created": 1, "failed": 1, "items": [{**created, "resource": resource}, refused]}
    text = "The items were tried; each has a status of its own."
    return {200: {"description": text, "content": {"application/json": {"example": example}}}}

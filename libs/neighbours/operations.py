"""An operation of a neighbour: its method, its path, the model of its answer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict

from libs.envelope import Permanent, Temporary
from libs.http import Client
from libs.http.client import read_answer
from libs.http.outgoing import Response


class WireModel(BaseModel):
    """Frozen; unknown fields are ignored, for a rolling update mixes versions."""

    model_config = ConfigDict(frozen=True, extra="ignore")


A = TypeVar("A", bound=WireModel)


@dataclass(frozen=True, slots=True)
class Operation(Generic[A]):
    """`path` is the template of the OpenAPI document, as `/v1/usage/{address}`."""

    method: str
    path: str
    answer: type[A]

    def target(self, *values: str) -> str:
        """The path with `values` in the place of its parameters, in their order.

        RFC 5322 3.2.3 allows `/`, `?`, `#` and `%` in a local part, so that values are percent-encoded.
        """
        parts = self.path.split("{")
        ends = [part.partition("}")[2] for part in parts[1:]]
        return parts[0] + "".join(quote(value, safe="@") + end for value, end in zip(values, ends, strict=True))

    async def ask(self, client: Client, *values: str, **options: Any) -> A:
        """The answer. Raises `Temporary`; `Permanent` for a 4xx and for an answer that does not fit."""
        return await client.model(self.answer, self.method, self.target(*values), **options)

    async def find(self, client: Client, *values: str, **options: Any) -> A | None:
        """The answer, or None when the service answers that there is no such resource. Raises as `ask` does."""
        target = self.target(*values)
        response = await client.call(self.method, target, **options)
        return None if is_missing(response) else read_answer(self.answer, f"{self.method} {target}", response)


def is_missing(response: Response) -> bool:
    """Whether the service itself answers 404: that of a proxy, or of another server, is no problem document."""
    return response.status_code == 404 and response.headers.get("content-type", "").startswith("application/problem")


@contextmanager
def misfits_are_temporary() -> Iterator[None]:
    """For questions on which mail depends: a neighbour of another version may answer wrongly during an update."""
    try:
        yield
    except Permanent as error:
        raise Temporary(error.reason) from error

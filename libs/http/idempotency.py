"""The Idempotency-Key of creating calls: repeating a call repeats its answer and nothing else.

draft-ietf-httpapi-idempotency-key-header 2.7: the same key with another request is 422. The request is compared by a
digest over all of it, secrets too, keyed with the key itself. The key is never stored, only its digest is, so that what
is stored says nothing about a password that was in a body.
"""

from __future__ import annotations

import hmac
import json
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Annotated, Any, Protocol

from fastapi import Depends, Header, Request

from libs.http.problems import Problem
from libs.http.requests import is_json

MAX_KEY_CHARACTERS = 255
MAX_COMPARED_OCTETS = 64 * 1024  # a larger body is compared octet by octet


class KeyMisused(Problem):
    """The key belongs to another request."""

    def __init__(self) -> None:
        super().__init__(422, "this Idempotency-Key was used for another request", kind="idempotency-key-reused")


class MadeAndGone(Problem):
    """What was made with this key is not there any more; the key makes nothing twice."""

    def __init__(self) -> None:
        super().__init__(410, "what was made with this Idempotency-Key was deleted since: use a new key")


@dataclass(frozen=True, slots=True)
class Once:
    """A request with a key: `key` is the digest under which it is known, `fingerprint` that of the request."""

    key: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Kept:
    """What became of the first request with a key. `result` is what the service needs to answer the others."""

    result: Any
    is_done: bool


class Keys(Protocol):
    """Where a service keeps keys, for a bounded time. All raise `Temporary`, and `KeyMisused`."""

    async def find(self, once: Once) -> Kept | None: ...

    async def claim(self, once: Once, result: Any) -> Kept:
        """Keeps `result` unless the key is known, and returns what is kept: of any number at once, one is first."""

    async def finish(self, once: Once) -> None:
        """The first request was carried out."""

    async def write(self, once: Once, result: Any, *, now: datetime, session: Any) -> None:
        """In the transaction that carries the request out. Raises `DuplicateKey` when another was first."""


async def _key(
    key: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            description="1 to 255 printable ASCII characters; the same call with it again gives the first answer.",
        ),
    ] = None,
) -> str | None:
    if key is not None and not (1 <= len(key) <= MAX_KEY_CHARACTERS and key.isascii() and key.isprintable()):
        raise Problem(422, f"an Idempotency-Key has 1 to {MAX_KEY_CHARACTERS} printable ASCII characters")
    return key


IdempotencyKey = Annotated[str | None, Depends(_key)]


async def _once(request: Request, key: IdempotencyKey) -> Once | None:
    return None if key is None else once_of(request, key, await request.body())


Idempotency = Annotated[Once | None, Depends(_once)]


def once_of(request: Request, key: str, body: bytes) -> Once:
    """The request with its key. For a route that reads its body itself; others ask for `Idempotency`."""
    caller = str(getattr(request.state, "caller", ""))
    return Once(
        key=sha256(f"{caller}\n{key}".encode()).hexdigest(),
        fingerprint=hmac.digest(key.encode(), _what(request, body), "sha256").hex(),
    )


def _what(request: Request, body: bytes) -> bytes:
    """The request as a whole; a JSON body by what it says, since a retry may write its members in another order."""
    if body and len(body) <= MAX_COMPARED_OCTETS and is_json(request):
        with suppress(ValueError, RecursionError):  # what is no JSON is refused by the route
            body = json.dumps(json.loads(body), sort_keys=True).encode()
    head = "\n".join((request.method, request.url.path, request.url.query, ""))
    return head.encode("utf-8", "surrogatepass") + body

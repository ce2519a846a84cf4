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
    """The resource that was created with this key was deleted; the key creates nothing twice."""

    def __init__(self) -> None:
        super().__init__(410, "what was made with this Idempotency-Key was deleted since: use a new key")


@dataclass(frozen=True, slots=True)
class Once:
    """A request with a key: `key` is the digest under which it is known, `fingerprint` that of the request."""

    key: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Kept:
    """The outcome of the first request with a key. `result` has what the service needs to answer its repetitions."""

    result: Any
    is_done: bool


class Keys(Protocol):
    """The keys that a service stores, for a bounded time. All methods raise `Temporary` and `KeyMisused`."""

    async def find(self, once: Once) -> Kept | None: ...

    async def claim(self, once: Once, result: Any) -> Kept:
        """Store `result` unless the key is known; return the stored one. Of concurrent requests, one is first."""

    async def finish(self, once: Once) -> None:
        """Record that the first request was carried out."""

    async def write(self, once: Once, result: Any, *, now: datetime, session: Any) -> None:
        """Store `result` in the transaction of the request. Raises `DuplicateKey` when another request was first."""


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
    """Return the request with its key, for a route that reads its body itself; other routes depend on `Idempotency`."""
    caller = str(getattr(request.state, "caller", ""))
    return Once(
        key=sha256(f"{caller}\n{key}".encode()).hexdigest(),
        fingerprint=hmac.digest(key.encode(), _what(request, body), "sha256").hex(),
    )


def _what(request: Request, body: bytes) -> bytes:
    """Return the whole request; a JSON body is normalised, since a retry may write its members in another order."""
    if body and len(body) <= MAX_COMPARED_OCTETS and is_json(request):
        with suppress(ValueError, RecursionError):  # the route refuses invalid JSON
            body = json.dumps(json.loads(body), sort_keys=True).encode()
    head = "\n".join((request.method, request.url.path, request.url.query, ""))
    return head.encode("utf-8", "surrogatepass") + body

"""Bearer tokens (RFC 6750): one for the administrator, one for each service, one for each application.

A route names its callers, so that a token that is stolen opens only what its holder had to ask. Without a token no
route answers but probes, metrics and documentation.
"""

from __future__ import annotations

import hmac
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Annotated

import structlog
from fastapi import Request, Security
from fastapi.security import HTTPBearer
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from libs.http.documentation import DOCUMENTATION_PATHS
from libs.http.problems import Problem, problem_response

log = structlog.get_logger(__name__)

# For the documentation: a token is looked at before anything else is, by `TokenNeeded`.
bearer = HTTPBearer(auto_error=False, description="The token of the administrator, of a service or of an application.")

CHALLENGE = "Bearer"
PUBLIC = frozenset({"/healthz", "/readyz", "/metrics", *DOCUMENTATION_PATHS})

ADMIN = "admin"
# Any holder of a token that is neither the administrator nor one of our services: programs of the operator that send
# or scan mail over HTTP.
APPLICATION = "application"

_DIGEST = re.compile(rb"sha256:([0-9a-f]{64})")
_SETTLED_NS = 1_000_000_000
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


class Tokens:
    """The known callers and their tokens, from files that are read again when they change.

    `directory` holds a file for each caller, called like it: the name of a service, or of an application. A file
    holds the token itself or `sha256:HEX`, its digest: a process needs no more than digests of the tokens of others.
    `own` are the files of the tokens that this process sends, by service.
    """

    def __init__(self, *, admin: Path, directory: Path, own: Mapping[str, Path], services: frozenset[str]) -> None:
        self._admin = admin
        self._directory = directory
        self._own = dict(own)
        self._services = services
        self._read: dict[Path, _Token] = {}
        self._listed: tuple[int, dict[str, Path]] | None = None

    def own(self, service: str) -> str:
        """The token that `service` sends. Raises `OSError` when its file cannot be read, or holds no token."""
        path = self._own[service]
        text = self._token(path).text
        if not text or not text.isascii() or _DIGEST.fullmatch(text):
            raise OSError(f"{path} holds no token")
        return text.decode()

    def check(self) -> None:
        """Raises `OSError` when the token of the administrator or of a service of this process cannot be read."""
        if not self._token(self._admin).text:
            raise OSError(f"{self._admin} holds no token")
        for service in self._own:
            self.own(service)

    def caller_of(self, token: str) -> str | None:
        """Return the caller of `token`: `admin`, the name of a service, or `application:NAME`; None when it is unknown.

        The token is compared by digest, in constant time, with every known one.
        """
        given = sha256(token.encode()).digest()
        found = [name for name, path in self._callers() if hmac.compare_digest(given, self._digest(path))]
        return found[0] if found and token else None

    def _callers(self) -> list[tuple[str, Path]]:
        own = {service: path for service, path in self._own.items() if path.parent != self._directory}
        return [
            (ADMIN, self._admin),
            *((name if name in self._services else f"{APPLICATION}:{name}", path) for name, path in self._files()),
            *own.items(),
        ]

    def _files(self) -> list[tuple[str, Path]]:
        """The callers in the directory; listed again when it changes, the last list as long as it cannot be read."""
        try:
            changed = self._directory.stat().st_mtime_ns
            if self._listed is None or self._listed[0] != changed:
                files = {path.name: path for path in self._directory.iterdir() if _NAME.fullmatch(path.name)}
                # Within the same tick of the file system's clock a change shows no other time.
                is_settled = time.time_ns() - changed > _SETTLED_NS
                self._listed = changed if is_settled else 0, {n: path for n, path in files.items() if n != ADMIN}
        except FileNotFoundError:
            self._listed = None
        except OSError as error:
            log.warning("callers_not_listed", directory=str(self._directory), reason=error.strerror)
        return list(self._listed[1].items()) if self._listed is not None else []

    def _digest(self, path: Path) -> bytes:
        try:
            return self._token(path).digest
        except FileNotFoundError:
            return b""  # a token whose file is gone opens nothing
        except OSError as error:
            log.warning("token_not_read", file=str(path), reason=error.strerror)
            known = self._read.get(path)
            return known.digest if known is not None else b""

    def _token(self, path: Path) -> _Token:
        status = path.stat()
        version = (status.st_mtime_ns, status.st_ino, status.st_size)
        known = self._read.get(path)
        if known is None or known.version != version:
            text = path.read_bytes().strip()
            digest = _DIGEST.fullmatch(text)
            known = _Token(version, text, bytes.fromhex(digest[1].decode()) if digest else sha256(text).digest())
            self._read[path] = known
        return known


@dataclass(frozen=True, slots=True)
class _Token:
    version: tuple[int, int, int]
    text: bytes
    digest: bytes


class TokenNeeded:
    """ASGI middleware: 401 without a known token, before a path is looked up or a body is read.

    So a route that forgot `require` is closed to the world, and a stranger does not learn which paths there are.
    Paths below `public` are pages for people without a login.
    """

    def __init__(self, app: ASGIApp, tokens: Tokens, public: str = "") -> None:
        self._app = app
        self._tokens = tokens
        self._public = public
        self._refusal = problem_response(
            Problem(401, "a bearer token is needed", headers={"WWW-Authenticate": CHALLENGE})
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not self._is_public(scope["path"]):
            scheme, _, token = HTTPConnection(scope).headers.get("Authorization", "").partition(" ")
            caller = self._tokens.caller_of(token.strip()) if scheme.lower() == "bearer" else None
            if caller is None:
                await self._refusal(scope, receive, send)
                return
            scope.setdefault("state", {})["caller"] = caller
        await self._app(scope, receive, send)

    def _is_public(self, path: str) -> bool:
        return path in PUBLIC or bool(self._public and path.startswith(f"{self._public}/"))


def require(*callers: str) -> Callable[[Request, object], Awaitable[str]]:
    """A dependency that answers 403 to every caller but `callers` (`ADMIN`, `APPLICATION`, names of services).

    It yields the caller: `admin`, the name of a service, or `application:NAME`.
    """

    async def check(request: Request, _: Annotated[object, Security(bearer)]) -> str:
        caller: str = request.state.caller
        if caller.partition(":")[0] not in callers:
            # RFC 6750 3.1. With it a neighbour knows that its token is refused, and not what it asked for.
            challenge = f'{CHALLENGE} error="insufficient_scope"'
            raise Problem(403, f"this is for {' and '.join(callers)}", headers={"WWW-Authenticate": challenge})
        return caller

    check.callers = frozenset(callers)  # type: ignore[attr-defined]
    return check

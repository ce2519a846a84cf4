"""Bearer tokens with roles (RFC 6750). No token, no answer."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from typing import Annotated

from fastapi import Request, Security
from fastapi.security import HTTPBearer
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from libs.http.problems import Problem, problem_response

# For the documentation: a token is looked at before anything else is, by `TokenNeeded`.
bearer = HTTPBearer(auto_error=False, description="The administrator's or a service's token.")

CHALLENGE = "Bearer"
# What probes, scrapers and readers of the documentation ask. Nothing of it is about anybody's mail.
PUBLIC = frozenset({"/healthz", "/readyz", "/metrics", "/docs", "/docs/oauth2-redirect", "/openapi.json"})


class Role(StrEnum):
    """Who holds a token."""

    ADMIN = "admin"
    SERVICE = "service"


class Tokens:
    """Tokens from files, read again when a file changes, so that they rotate without a restart."""

    def __init__(self, files: Mapping[Role, Path]) -> None:
        self._files = files
        self._read: dict[Role, _Token] = {}

    def text(self, role: Role) -> str:
        """The token to send as `role`. Raises `OSError` when its file cannot be read, or holds no token."""
        token = self._token(role)
        if not token.text.isascii() or not token.text:
            raise OSError(f"{self._files[role]} holds no token")
        return token.text.decode()

    def role_of(self, token: str) -> Role | None:
        """Compared in constant time, by digest, with every token."""
        given = sha256(token.encode()).digest()
        found = [role for role in self._files if hmac.compare_digest(given, self._digest(role))]
        return found[0] if found and token else None

    def _digest(self, role: Role) -> bytes:
        try:
            return self._token(role).digest
        except OSError:
            return b""  # a token whose file is gone opens nothing

    def _token(self, role: Role) -> _Token:
        status = self._files[role].stat()
        version = (status.st_mtime_ns, status.st_ino, status.st_size)
        known = self._read.get(role)
        if known is None or known.version != version:
            text = self._files[role].read_bytes().strip()
            known = self._read[role] = _Token(version, text, sha256(text).digest())
        return known


@dataclass(frozen=True, slots=True)
class _Token:
    version: tuple[int, int, int]
    text: bytes
    digest: bytes


class TokenNeeded:
    """ASGI middleware: 401 without a known token, before a path is looked up or a body is read.

    So a route that forgot `require` is closed to the world, and nobody learns which paths there are. Paths below
    `public` are pages for people without a login (design, section 6).
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
            role = self._tokens.role_of(token.strip()) if scheme.lower() == "bearer" else None
            if role is None:
                await self._refusal(scope, receive, send)
                return
            scope.setdefault("state", {})["role"] = role
        await self._app(scope, receive, send)

    def _is_public(self, path: str) -> bool:
        return path in PUBLIC or bool(self._public and path.startswith(f"{self._public}/"))


def require(*roles: Role) -> Callable[[Request, object], Awaitable[Role]]:
    """A dependency that answers 403 to a token of another role."""

    async def check(request: Request, _: Annotated[object, Security(bearer)]) -> Role:
        role: Role = request.state.role
        if role not in roles:
            # RFC 6750 3.1. With it a neighbour knows that its token is refused, and not what it asked for.
            challenge = f'{CHALLENGE} error="insufficient_scope"'
            raise Problem(403, f"this needs the role {' or '.join(roles)}", headers={"WWW-Authenticate": challenge})
        return role

    return check

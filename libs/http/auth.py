"""Bearer tokens with roles. No token, no answer."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Mapping
from enum import StrEnum
from hashlib import sha256
from pathlib import Path

from fastapi import Request
from fastapi.security import HTTPBearer

from libs.http.problems import Problem

bearer = HTTPBearer(auto_error=False, description="The administrator's or a service's token.")


class Role(StrEnum):
    """Who holds a token."""

    ADMIN = "admin"
    SERVICE = "service"


class Tokens:
    """Tokens from files, read again when a file changes, so that they rotate without a restart."""

    def __init__(self, files: Mapping[Role, Path]) -> None:
        self._files = files
        self._digests: dict[Role, tuple[float, bytes]] = {}

    def text(self, role: Role) -> str:
        """The token to send as `role`. Raises `OSError` when its file cannot be read."""
        return self._files[role].read_text().strip()

    def role_of(self, token: str) -> Role | None:
        """Compared in constant time, by digest, with every token."""
        given = sha256(token.encode()).digest()
        found = [role for role in self._files if hmac.compare_digest(given, self._digest(role))]
        return found[0] if found and token else None

    def _digest(self, role: Role) -> bytes:
        path = self._files[role]
        try:
            changed = path.stat().st_mtime
            if role not in self._digests or self._digests[role][0] != changed:
                self._digests[role] = (changed, sha256(self.text(role).encode()).digest())
        except OSError:
            return b""  # a token whose file is gone opens nothing
        return self._digests[role][1]


def require(*roles: Role) -> Callable[[Request], Awaitable[Role]]:
    """A dependency that answers 401 without a known token and 403 with one of another role."""

    async def check(request: Request) -> Role:
        credentials = await bearer(request)
        tokens: Tokens = request.app.state.tokens
        role = tokens.role_of(credentials.credentials) if credentials else None
        if role is None:
            raise Problem(401, "a bearer token is needed", headers={"WWW-Authenticate": "Bearer"})
        if role not in roles:
            raise Problem(403, f"this needs the role {' or '.join(roles)}")
        return role

    return check

"""Tokens for a service that a test builds in its own process."""

from __future__ import annotations

from pathlib import Path

from libs.http import ADMIN, Tokens
from libs.settings import API_PORTS

APPLICATION_NAME = "reporting"


def tokens_in(directory: Path) -> Tokens:
    """A token for each caller in `directory`: `admin`, each service, an application. Each is the name of its caller."""
    callers = directory / "callers"
    callers.mkdir()
    for name in (*API_PORTS, APPLICATION_NAME):
        (callers / name).write_text(name)
    (directory / ADMIN).write_text(f"{ADMIN}\n")
    own = {name: callers / name for name in API_PORTS}
    return Tokens(admin=directory / ADMIN, directory=callers, own=own, services=frozenset(API_PORTS))


def bearer(caller: str = ADMIN) -> dict[str, str]:
    """The header field that `caller` sends."""
    return {"Authorization": f"Bearer {caller}"}

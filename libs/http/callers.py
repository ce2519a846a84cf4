"""Which callers a route admits, as its dependencies say."""

from __future__ import annotations

from collections.abc import Iterator

from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute


def callers_of(route: APIRoute) -> list[str]:
    """The names that `require` was given for `route`, the administrator first; empty for a public route."""
    found = {name for callers in _callers(route.dependant) for name in callers}
    return sorted(found, key=lambda name: (name != "admin", name == "application", name))


def _callers(dependant: Dependant) -> Iterator[frozenset[str]]:
    callers = getattr(dependant.call, "callers", None)
    if callers is not None:
        yield callers
    for each in dependant.dependencies:
        yield from _callers(each)

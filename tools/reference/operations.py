"""The page of HTTP operations: method, path, summary and callers of each route of each service."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fastapi import FastAPI

from libs.settings import API_PORTS
from services import SERVICES
from tools.reference.composed import application_of
from tools.reference.source import table

HEAD = """# HTTP operations

Each service serves its OpenAPI document at `/openapi.json` and as pages at `/docs`: parameters, bodies, answers and
errors are there. Every request below `/v1` needs a bearer token (`Authorization: Bearer ...`). Callers: `admin` has
the administrator's token, `application` is a program of the operator, others are services by name
([operating.md](../operating.md) says where tokens are). The pages for people below `/public/` are not listed.
"""
METHODS = ("get", "post", "put", "patch", "delete")
EVERYONE = "everyone"
CALLERS = re.compile(r"^Callers: (.*)\.$", re.MULTILINE)


@dataclass(frozen=True, order=True)
class Operation:
    """A route of a service."""

    path: str
    method: str
    summary: str
    id: str
    callers: str


def page(root: Path) -> str:
    """Return the page: what all services have, then each service by path."""
    found = asyncio.run(all_operations())
    shared = set.intersection(*(set(each) for each in found.values()))
    consumers = {each for those in found.values() for each in those if each.path.startswith("/v1/dead-letters")}
    parts = [HEAD, "## All services\n", _table(shared - consumers)]
    parts += ["## Services that consume a queue\n", _table(consumers)]
    for service, operations in found.items():
        parts += [f"## {service} (port {API_PORTS[service]})\n", _table(set(operations) - shared - consumers)]
    return "\n".join(parts)


async def all_operations() -> dict[str, list[Operation]]:
    """Return the operations of each service."""
    found = {}
    for service in SERVICES:
        async with application_of(service) as app:
            found[service] = sorted(operations(app))
    return found


def operations(app: FastAPI) -> Iterator[Operation]:
    """Yield the operations of an OpenAPI document; the last line of a description names the callers."""
    for path, methods in app.openapi()["paths"].items():
        for method, operation in methods.items():
            if method in METHODS:
                callers = CALLERS.search(operation.get("description", ""))
                words = callers.group(1) if callers else EVERYONE
                yield Operation(path, method, operation.get("summary", ""), operation["operationId"], words)


def _table(found: set[Operation]) -> str:
    rows = [
        (each.method.upper(), f"`{each.path}`", each.summary, f"`{each.id}`", each.callers) for each in sorted(found)
    ]
    return table(("method", "path", "what it does", "operation id", "callers"), rows) + "\n"

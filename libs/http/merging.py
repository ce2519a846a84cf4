"""One OpenAPI document for all services: each path names the servers that have it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from libs.http.openapi import VERSION

_TEXT = """\
All HTTP APIs of Facteur in one document. Each service listens on a port of its own: the servers of a path are those of
the services that have it. Each request needs a bearer token, apart from `/healthz`, `/readyz` and `/metrics`.
Errors are problem documents (RFC 9457), of which `type` is stable. A list is a page of `items`; its `next` is given
back as the parameter `after`. Times are RFC 3339 in UTC, and names of numbers end with their unit.
"""


def merged(documents: Mapping[str, Mapping[str, Any]], servers: Mapping[str, str]) -> dict[str, Any]:
    """The documents of services, by name, as one; `servers` has the URL of each.

    Raises `ValueError` where two documents mean different things by one path, operation or schema.
    """
    paths: dict[str, Any] = {}
    schemas: dict[str, Any] = {}
    tags: dict[str, Any] = {}
    for service, document in documents.items():
        server = {"url": servers[service], "description": service}
        for path, item in document["paths"].items():
            known = _united(paths, path, {"servers": [], **item}, ignored="servers")
            known["servers"].append(server)
        for name, schema in document["components"]["schemas"].items():
            _united(schemas, name, schema)
        for tag in document["tags"]:
            _united(tags, tag["name"], tag)
    first = next(iter(documents.values()))
    return {
        "openapi": first["openapi"],
        "info": {"title": "Facteur", "version": VERSION, "description": _TEXT},
        "servers": [{"url": servers[service], "description": service} for service in documents],
        "paths": paths,
        "components": {**first["components"], "schemas": dict(sorted(schemas.items()))},
        "tags": list(tags.values()),
    }


def _united(into: dict[str, Any], name: str, value: dict[str, Any], *, ignored: str = "") -> dict[str, Any]:
    known: dict[str, Any] = into.setdefault(name, value)
    if {k: v for k, v in known.items() if k != ignored} != {k: v for k, v in value.items() if k != ignored}:
        raise ValueError(f"two services mean different things by {name}")
    return known

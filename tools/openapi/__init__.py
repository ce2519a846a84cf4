"""The OpenAPI document of all services: `python -m tools.openapi > openapi.json`."""

from __future__ import annotations

from typing import Any

from libs.http.merging import merged
from libs.settings import API_PORTS
from services import SERVICES
from tools.reference.composed import application_of


async def whole_document() -> dict[str, Any]:
    """Return the merged document; the servers are those of embedded mode."""
    documents = {}
    for service in SERVICES:
        async with application_of(service) as app:
            documents[service] = app.openapi()
    return merged(documents, {service: f"http://127.0.0.1:{API_PORTS[service]}" for service in SERVICES})

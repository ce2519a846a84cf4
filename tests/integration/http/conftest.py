"""The loop of the product, and logs in plain text: the coloured tracebacks of development cost seconds each."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
import structlog
import uvloop

structlog.configure(
    processors=[
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.format_exc_info,
        structlog.processors.KeyValueRenderer(key_order=["level", "event"]),
    ]
)


def pytest_asyncio_loop_factories(item: pytest.Item) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loop that runs in production, but for neighbours that break off in the middle of an answer."""
    if item.path.name == "test_client.py":
        return {"asyncio": asyncio.new_event_loop}
    return {"uvloop": uvloop.new_event_loop}

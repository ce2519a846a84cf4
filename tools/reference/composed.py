"""Builds the HTTP application of each service without a broker or a database, for its documentation."""

from __future__ import annotations

import importlib
import logging
import tempfile
from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self

import structlog
from fastapi import FastAPI

from libs.http import Checks
from libs.runtime import Outbox, Shared
from libs.runtime.http_server import http_server
from libs.runtime.shared import open_tokens


class Absent:
    """Stands for a server that is not there: every attribute, call and answer is this object again, and it is empty."""

    def __getattr__(self, name: str) -> Self:
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __call__(self, *args: object, **kwargs: object) -> Self:
        return self

    def __getitem__(self, key: object) -> Self:
        return self

    def __await__(self) -> Generator[None, None, Self]:
        yield from ()
        return self

    def __iter__(self) -> Iterator[object]:
        return iter(())

    def __len__(self) -> int:
        return 0

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> object:
        raise StopAsyncIteration

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *reason: object) -> None:
        return None


@asynccontextmanager
async def application_of(service: str) -> AsyncIterator[FastAPI]:
    """Yield the application of a service, composed and not started."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    module = importlib.import_module(f"services.{service}.app")
    nothing: Any = Absent()
    with tempfile.TemporaryDirectory() as directory:
        settings = module.Settings(var_dir=Path(directory))
        tokens = open_tokens(settings, [service])
        shared = Shared(nothing, nothing, nothing, tokens, Outbox(nothing, nothing, inline_limit_bytes=1))
        async with module.build(settings, shared.of(service, settings)) as composed:
            yield http_server(composed, shared, Checks()).app

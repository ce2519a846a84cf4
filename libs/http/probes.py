"""Routes for probes and scrapers: `/healthz`, `/readyz` and `/metrics`, the same in every service.

Ready means that the service can answer, even if the answer is 451: a service whose broker or database is away still
answers from its caches, defers, and shows its dead letters, so that no balancer may take it away. What it needs
besides is shown by `/readyz?verbose`, and by `facteur_dependency_up`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated, Literal

import structlog
from fastapi import APIRouter, Query, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from pydantic import BaseModel, Field

from libs.envelope import Temporary
from libs.telemetry import Metrics

log = structlog.get_logger(__name__)

# Raises `Temporary` when what it looks at is not fit for work.
Check = Callable[[], Awaitable[None]]

# Below the time that a probe of Kubernetes waits, so that the answer names the cause.
READINESS_DEADLINE = timedelta(seconds=2)


@dataclass(frozen=True, slots=True)
class Checks:
    """`ready` decides whether the service may be asked; `dependencies` and `background` are shown besides."""

    ready: Mapping[str, Check] = field(default_factory=dict)
    dependencies: Mapping[str, Check] = field(default_factory=dict)
    background: Mapping[str, Check] = field(default_factory=dict)
    deadline: timedelta = READINESS_DEADLINE


class Health(BaseModel):
    """The answer of a process that lives."""

    status: Literal["ok"] = Field(description="Always `ok`.")


class Readiness(BaseModel):
    """Whether a service is ready, and why not. The last two members are there with `verbose` only."""

    status: Literal["ready", "not ready"] = Field(description="Whether the service can answer.")
    missing: dict[str, str] = Field(description="Reason by name of what does not work.")
    dependencies: dict[str, Literal["up", "down"]] | None = Field(None, description="State of each dependency.")
    background: dict[str, Literal["ok", "failing"]] | None = Field(None, description="State of each background loop.")


_METRICS = {"text/plain": {"schema": {"type": "string"}}}


def probe_routes(checks: Checks, metrics: Metrics) -> APIRouter:
    """Create the routes `/healthz`, `/readyz` and `/metrics`."""
    router = APIRouter(tags=["operation"])

    @router.get("/healthz", summary="Tell whether the process is alive", response_model=Health)
    async def get_health() -> dict[str, str]:
        """Shows that the process and its event loop run. No token is needed."""
        return {"status": "ok"}

    @router.get(
        "/readyz",
        summary="Tell whether the service can answer",
        response_model=Readiness,
        responses={503: {"description": "The service is not ready.", "model": Readiness}},
    )
    async def get_readiness(
        verbose: Annotated[
            str | None, Query(description="Show the state of dependencies and background work too; any value.")
        ] = None,
    ) -> Response:
        """A service whose broker or database is away is ready still: it answers from its caches and defers.

        No token is needed.
        """
        not_ready = await missing(checks.ready, checks.deadline)
        answer: dict[str, object] = {"status": "not ready" if not_ready else "ready", "missing": not_ready}
        if verbose is not None:
            answer |= await _states(checks, not_ready)
        return JSONResponse(answer, status_code=503 if not_ready else 200)

    @router.get(
        "/metrics",
        summary="Get the metrics of the process",
        response_class=PlainTextResponse,
        responses={200: {"description": "Prometheus text format, version 0.0.4.", "content": _METRICS}},
    )
    async def get_metrics() -> Response:
        """Counters, gauges and histograms of the process for Prometheus. No token is needed."""
        return Response(metrics.render(), media_type="text/plain; version=0.0.4; charset=utf-8")

    return router


async def _states(checks: Checks, not_ready: Mapping[str, str]) -> dict[str, object]:
    away, failing = await asyncio.gather(
        missing(checks.dependencies, checks.deadline), missing(checks.background, checks.deadline)
    )
    return {
        "missing": {**not_ready, **away, **failing},
        "dependencies": {name: "down" if name in away else "up" for name in checks.dependencies},
        "background": {name: "failing" if name in failing else "ok" for name in checks.background},
    }


async def missing(checks: Mapping[str, Check], deadline: timedelta = READINESS_DEADLINE) -> dict[str, str]:
    """Return the failed `checks`, each with its reason."""
    reasons = await asyncio.gather(*(_reason(name, check, deadline) for name, check in checks.items()))
    return {name: reason for name, reason in zip(checks, reasons, strict=True) if reason}


async def _reason(name: str, check: Check, deadline: timedelta) -> str:
    """Return why the check fails; empty when it succeeds."""
    try:
        async with asyncio.timeout(deadline.total_seconds()):
            await check()
    except Temporary as error:
        return error.reason or "not fit for work"
    except TimeoutError:
        return f"no answer within {deadline.total_seconds():g} s"
    except Exception as error:
        # A check that cannot tell is no reason to be called ready.
        log.error("check_failed", check=name, exc_info=error)
        return f"the check failed: {type(error).__name__}"
    return ""

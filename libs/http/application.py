"""The application factory: every service answers health, readiness and metrics in the same way."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta

import structlog
from fastapi import APIRouter, FastAPI, Response
from fastapi.responses import JSONResponse

from libs.envelope import Temporary
from libs.http.auth import TokenNeeded, Tokens
from libs.http.limits import BodyLimit
from libs.http.problems import LastResort, install_problems
from libs.http.strictness import strict as _strict
from libs.telemetry import Metrics

log = structlog.get_logger(__name__)

# Raises `Temporary` when what it looks at is not fit for work.
Check = Callable[[], Awaitable[None]]

DEFAULT_BODY_LIMIT_BYTES = 1024 * 1024
# Below the time that a probe of Kubernetes waits, so that the answer says what is missing.
READINESS_DEADLINE = timedelta(seconds=2)


def application(
    name: str,
    *,
    routers: Sequence[APIRouter],
    checks: Mapping[str, Check],
    metrics: Metrics,
    tokens: Tokens,
    body_limit_bytes: int = DEFAULT_BODY_LIMIT_BYTES,
    readiness_deadline: timedelta = READINESS_DEADLINE,
    public: str = "",
) -> FastAPI:
    """The HTTP API of the service `name`: its own `routers` plus `/healthz`, `/readyz`, `/metrics`, `/docs`.

    Below the path `public`, if there is one, no token is asked for.
    """
    app = FastAPI(title=f"Facteur {name}", version="1", redoc_url=None)
    install_problems(app)
    app.add_middleware(BodyLimit, limit_bytes=body_limit_bytes)
    app.add_middleware(TokenNeeded, tokens=tokens, public=public)
    app.add_middleware(LastResort)  # the last one added is the outermost
    for router in (*routers, _strict(_probes(checks, metrics, readiness_deadline))):
        app.include_router(router)
    return app


def _probes(checks: Mapping[str, Check], metrics: Metrics, deadline: timedelta) -> APIRouter:
    router = APIRouter(tags=["operation"])

    @router.get("/healthz", summary="The process lives")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @router.get("/readyz", summary="The service can do its work now; 503 names what is missing")
    async def readiness() -> Response:
        reasons = await asyncio.gather(*(_missing(name, check, deadline) for name, check in checks.items()))
        missing = {name: reason for name, reason in zip(checks, reasons, strict=True) if reason}
        status = 503 if missing else 200
        return JSONResponse({"status": "not ready" if missing else "ready", "missing": missing}, status_code=status)

    @router.get("/metrics", summary="Prometheus series")
    async def series() -> Response:
        return Response(metrics.render(), media_type="text/plain; version=0.0.4; charset=utf-8")

    return router


async def _missing(name: str, check: Check, deadline: timedelta) -> str:
    """Why it is not fit for work; empty when it is."""
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

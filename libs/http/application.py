"""The application factory: every service answers health, readiness and metrics in the same way."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence

from fastapi import APIRouter, FastAPI, Response
from fastapi.responses import JSONResponse

from libs.envelope import Temporary
from libs.http.auth import Tokens
from libs.http.limits import BodyLimit
from libs.http.problems import install_problems
from libs.telemetry import Metrics

# Raises `Temporary` when what it looks at is not fit for work.
Check = Callable[[], Awaitable[None]]

DEFAULT_BODY_LIMIT_BYTES = 1024 * 1024


def application(
    name: str,
    *,
    routers: Sequence[APIRouter],
    checks: Mapping[str, Check],
    metrics: Metrics,
    tokens: Tokens,
    body_limit_bytes: int = DEFAULT_BODY_LIMIT_BYTES,
) -> FastAPI:
    """The HTTP API of the service `name`: its own `routers` plus `/healthz`, `/readyz`, `/metrics`, `/docs`."""
    app = FastAPI(title=f"Facteur {name}", version="1", redoc_url=None)
    app.state.tokens = tokens
    install_problems(app)
    app.add_middleware(BodyLimit, limit_bytes=body_limit_bytes)
    for router in (*routers, _probes(checks, metrics)):
        app.include_router(router)
    return app


def _probes(checks: Mapping[str, Check], metrics: Metrics) -> APIRouter:
    router = APIRouter(tags=["operation"])

    @router.get("/healthz", summary="The process lives")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @router.get("/readyz", summary="The service can do its work now; 503 names what is missing")
    async def readiness() -> Response:
        missing: dict[str, str] = {}
        for name, check in checks.items():
            try:
                await check()
            except Temporary as reason:
                missing[name] = reason.reason
        status = 503 if missing else 200
        return JSONResponse({"status": "not ready" if missing else "ready", "missing": missing}, status_code=status)

    @router.get("/metrics", summary="Prometheus series")
    async def series() -> Response:
        return Response(metrics.render(), media_type="text/plain; version=0.0.4; charset=utf-8")

    return router

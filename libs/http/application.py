"""The application factory: every service answers health, readiness and metrics in the same way."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter, FastAPI

from libs.http.auth import TokenNeeded, Tokens
from libs.http.limits import BodyLimit
from libs.http.probes import Checks, probe_routes
from libs.http.problems import LastResort, install_problems
from libs.http.strictness import strict as _strict
from libs.telemetry import Metrics

DEFAULT_BODY_LIMIT_BYTES = 1024 * 1024


def application(
    name: str,
    *,
    routers: Sequence[APIRouter],
    checks: Checks,
    metrics: Metrics,
    tokens: Tokens,
    body_limit_bytes: int = DEFAULT_BODY_LIMIT_BYTES,
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
    for router in (*routers, _strict(probe_routes(checks, metrics))):
        app.include_router(router)
    return app

"""The application factory: every service answers health, readiness and metrics in the same way."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter, FastAPI

from libs.http.auth import TokenNeeded, Tokens
from libs.http.documentation import add_documentation
from libs.http.limits import BodyLimit, UnreadBody
from libs.http.methods import Methods
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
    # A redirect would go to whatever the Host field says: a path with a slash too many does not exist.
    app = FastAPI(title=f"Facteur {name}", version="1", docs_url=None, redoc_url=None, redirect_slashes=False)
    install_problems(app)
    add_documentation(app)
    app.add_middleware(BodyLimit, limit_bytes=body_limit_bytes)
    app.add_middleware(Methods, api=app)
    app.add_middleware(TokenNeeded, tokens=tokens, public=public)
    app.add_middleware(UnreadBody)
    app.add_middleware(LastResort)  # the last one added is the outermost
    for router in (*routers, _strict(probe_routes(checks, metrics))):
        app.include_router(router)
    return app

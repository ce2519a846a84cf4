"""The application factory: every service answers health, readiness and metrics in the same way."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter, FastAPI

from libs.http.auth import TokenNeeded, Tokens
from libs.http.documentation import add_documentation
from libs.http.limits import BodyLimit, UnreadBody
from libs.http.methods import Methods
from libs.http.openapi import VERSION, About, add_document, operation_id
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
    about: About = About(),  # noqa: B008
) -> FastAPI:
    """The HTTP API of the service `name`: its own `routers` plus `/healthz`, `/readyz`, `/metrics`, `/docs`.

    Below the path `public`, if there is one, no token is asked for. `about` has the texts of its OpenAPI document.
    """
    # A redirect would go to whatever the Host field says: a path with a slash too many does not exist.
    app = FastAPI(
        title=f"Facteur {name}",
        version=VERSION,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=operation_id,
    )
    install_problems(app)
    add_documentation(app)
    app.add_middleware(BodyLimit, limit_bytes=body_limit_bytes)
    app.add_middleware(Methods, api=app)
    app.add_middleware(TokenNeeded, tokens=tokens, public=public)
    app.add_middleware(UnreadBody)
    app.add_middleware(LastResort)  # the last one added is the outermost
    whole = (*routers, _strict(probe_routes(checks, metrics)))
    for router in whole:
        app.include_router(router)
    add_document(app, whole, about)
    return app

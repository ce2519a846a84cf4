"""The interactive documentation at `/docs`, from files of a package of the lock file: it works on a closed network."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from fastapi import FastAPI, Response
from fastapi.openapi.docs import get_swagger_ui_html

DOCUMENTATION_PATHS = frozenset({"/docs", "/docs/swagger-ui-bundle.js", "/docs/swagger-ui.css", "/openapi.json"})

# The page starts with a script of its own and styles its elements; everything else comes from this server alone.
_POLICY = (
    "default-src 'none'; connect-src 'self'; img-src 'self' data:; "
    "script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'"
)
_HEADERS = {"Content-Security-Policy": _POLICY, "X-Content-Type-Options": "nosniff"}
_NO_ICON = "data:,"


def add_documentation(app: FastAPI) -> None:
    """Serve `/docs` and the two files that it loads. `app` was made with `docs_url=None`."""

    @app.get("/docs", include_in_schema=False)
    async def page() -> Response:
        document = get_swagger_ui_html(
            openapi_url="openapi.json",
            title=app.title,
            swagger_js_url="docs/swagger-ui-bundle.js",
            swagger_css_url="docs/swagger-ui.css",
            swagger_favicon_url=_NO_ICON,
        )
        document.headers.update(_HEADERS)
        return document

    @app.get("/docs/swagger-ui-bundle.js", include_in_schema=False)
    async def script() -> Response:
        return Response(_file("swagger-ui-bundle.js"), media_type="text/javascript", headers=_HEADERS)

    @app.get("/docs/swagger-ui.css", include_in_schema=False)
    async def style() -> Response:
        return Response(_file("swagger-ui.css"), media_type="text/css", headers=_HEADERS)


@cache
def _file(name: str) -> bytes:
    """Raises `OSError` when the package lacks it."""
    return files("fastapi_offline").joinpath("static", name).read_bytes()

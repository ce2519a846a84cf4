"""The completed OpenAPI document: what each operation declares without saying so itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel

from libs.http import ADMIN, About, Checks, Idempotency, IfMatch, Page, RequestBody, application, require
from libs.http.openapi import model_of, operations, public_name, raw_body, raw_response
from libs.telemetry import Metrics
from tests.servers.tokens import tokens_in


class Colour(BaseModel):
    name: str


class PaintView(BaseModel):
    colour: Colour


class PaintChanges(RequestBody):
    name: str = ""


def a_router() -> APIRouter:
    router = APIRouter(prefix="/v1", tags=["paints"], dependencies=[Depends(require("store", ADMIN))])

    @router.get("/paints", summary="List the paints")
    async def list_paints() -> Page[PaintView]:
        """The paints in the order of their names."""
        raise AssertionError("is documented and not called")

    @router.post("/paints", status_code=201, responses={409: {"description": "There is such a paint."}})
    async def create_paint(body: PaintChanges, once: Idempotency) -> PaintView:
        raise AssertionError("is documented and not called")

    @router.patch("/paints/{name}")
    async def update_paint(name: str, body: PaintChanges, if_match: IfMatch) -> PaintView:
        raise AssertionError("is documented and not called")

    @router.get("/paints/{name}/raw", response_class=Response, responses=raw_response("image/*", "The picture."))
    async def get_raw_paint(name: str) -> Response:
        raise AssertionError("is documented and not called")

    @router.post("/scans", openapi_extra=raw_body("image/*", "A picture."))
    async def scan_picture(request: Request) -> None:
        raise AssertionError("is documented and not called")

    @router.post(
        "/mixes",
        openapi_extra={"requestBody": {"content": {"application/json": {"schema": model_of(PaintView)}}}},
    )
    async def mix_paints(request: Request) -> None:
        raise AssertionError("is documented and not called")

    return router


@pytest.fixture
def document(tmp_path: Path) -> dict[str, Any]:
    about = About("Paints.", {"paints": "What walls are painted with."})
    app = application(
        "x", routers=[a_router()], checks=Checks(), metrics=Metrics(), tokens=tokens_in(tmp_path), about=about
    )
    return app.openapi()


def test_operations_are_named_like_their_functions(document: dict[str, Any]) -> None:
    ids = [operation["operationId"] for _, _, operation in operations(document)]
    assert ids[:2] == ["listPaints", "createPaint"]


Case = Annotated[tuple[str, str, set[str]], "method, path, statuses of errors"]
ERRORS: dict[str, Case] = {
    "a list": ("get", "/v1/paints", {"401", "403", "500", "503"}),
    "a creation": ("post", "/v1/paints", {"401", "403", "409", "410", "413", "422", "500", "503"}),
    "a change": ("patch", "/v1/paints/{name}", {"401", "403", "404", "412", "413", "422", "500", "503"}),
}


@pytest.mark.parametrize(("method", "path", "statuses"), ERRORS.values(), ids=ERRORS.keys())
def test_each_error_is_declared_as_a_problem_document(
    document: dict[str, Any], method: str, path: str, statuses: set[str]
) -> None:
    responses = document["paths"][path][method]["responses"]
    errors = {status: response for status, response in responses.items() if status >= "400"}
    assert set(errors) == statuses
    for response in errors.values():
        schema = response["content"]["application/problem+json"]["schema"]
        assert schema == {"$ref": "#/components/schemas/Problem"}
        assert response["description"]


def test_a_description_of_the_route_is_kept(document: dict[str, Any]) -> None:
    assert document["paths"]["/v1/paints"]["post"]["responses"]["409"]["description"] == "There is such a paint."


def test_the_headers_of_versions_and_new_resources_are_declared(document: dict[str, Any]) -> None:
    assert set(document["paths"]["/v1/paints"]["post"]["responses"]["201"]["headers"]) == {"ETag", "Location"}
    assert set(document["paths"]["/v1/paints/{name}"]["patch"]["responses"]["200"]["headers"]) == {"ETag"}
    assert "headers" not in document["paths"]["/v1/paints"]["get"]["responses"]["200"]


def test_a_change_is_a_merge_patch(document: dict[str, Any]) -> None:
    content = document["paths"]["/v1/paints/{name}"]["patch"]["requestBody"]["content"]
    assert list(content) == ["application/merge-patch+json", "application/json"]


def test_octets_are_binary(document: dict[str, Any]) -> None:
    paths = document["paths"]
    body = paths["/v1/scans"]["post"]["requestBody"]["content"]["image/*"]["schema"]
    answer = paths["/v1/paints/{name}/raw"]["get"]["responses"]["200"]["content"]["image/*"]["schema"]
    assert (body["format"], answer["format"]) == ("binary", "binary")


def test_definitions_of_an_operation_are_components(document: dict[str, Any]) -> None:
    schema = document["paths"]["/v1/mixes"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert schema == {"$ref": "#/components/schemas/Paint"}
    assert {"Colour", "Paint", "PaintPage", "Problem"} <= set(document["components"]["schemas"])
    assert "HTTPValidationError" not in str(document)
    assert "$defs" not in str(document)


def test_a_description_ends_with_the_callers(document: dict[str, Any]) -> None:
    text = document["paths"]["/v1/paints"]["get"]["description"]
    assert text == "The paints in the order of their names.\n\nCallers: admin, store."


def test_tags_have_their_texts(document: dict[str, Any]) -> None:
    assert document["tags"][0] == {"name": "paints", "description": "What walls are painted with."}


NAMES = {
    "Page_AccountView_": "AccountPage",
    "AccountView": "Account",
    "libs__envelope__model__Verdict": "Verdict",
    "Problem": "Problem",
}


@pytest.mark.parametrize(("name", "public"), NAMES.items())
def test_names_of_schemas_are_plain(name: str, public: str) -> None:
    assert public_name(name) == public

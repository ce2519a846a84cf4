"""The OpenAPI document of a service, completed: problem documents, headers, plain names, components.

The framework writes the routes, their parameters and their models. What all services share is added here, so that a
route declares only what is particular to it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic import TypeAdapter

from libs.http.callers import callers_of
from libs.http.problems import MEDIA_TYPE, ProblemDocument

VERSION: Final = "0.1.0"  # of the product; the paths have a version of their own

MERGE_PATCH: Final = "application/merge-patch+json"
_JSON: Final = "application/json"
_SCHEMAS: Final = "#/components/schemas/"
_METHODS: Final = frozenset({"get", "put", "post", "patch", "delete"})

# The generic models with what a schema that is made of one is.
_GENERIC: Mapping[str, str] = {
    "Page": "A page of a list.",
    "BatchResults": "The results of all items of a batch, in the order of the request.",
    "BatchResult": "The result of one item of a batch: the resource, or the problem.",
}

# A description that a route gives is kept; these are the others.
_REASONS: Mapping[str, str] = {
    "401": "There is no bearer token, or it is unknown.",
    "403": "The caller may not use this operation.",
    "404": "The resource does not exist.",
    "409": "The request conflicts with the present state.",
    "410": "What was made with this Idempotency-Key was deleted since.",
    "412": "If-Match names another version than the present one.",
    "413": "The body is too large.",
    "415": "The body has another media type than this operation reads.",
    "422": "A parameter or the body is not valid.",
    "423": "The account is locked.",
    "429": "A limit of the sender is reached.",
    "500": "An error of the service; its log has the details.",
    "503": "A neighbour or the database does not answer; try again after `Retry-After` seconds.",
}


@dataclass(frozen=True, slots=True)
class About:
    """What the document of a service says about the service, and about each tag of its operations."""

    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)


# The `responses` of a route that may conflict with the present state; a creation has them without being told.
CONFLICT: Final[dict[int | str, dict[str, Any]]] = {409: {}}

_SHARED_TAGS: Mapping[str, str] = {
    "dead letters": "Messages and events that the service gave up; they are kept until they are replayed or deleted.",
    "operation": "State of the process, for probes, for Prometheus and for operators.",
}


def operation_id(route: APIRoute) -> str:
    """The name of the route's function in camel case: `create_domain` is `createDomain`."""
    first, *others = route.name.split("_")
    return first + "".join(word.capitalize() for word in others)


def raw_body(media_type: str, description: str) -> dict[str, Any]:
    """The `openapi_extra` of a route that reads octets from its request itself."""
    content = {media_type: {"schema": {"type": "string", "format": "binary", "description": description}}}
    return {"requestBody": {"required": True, "content": content}}


def raw_response(media_type: str, description: str) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that answers octets."""
    schema = {"type": "string", "format": "binary"}
    return {200: {"description": description, "content": {media_type: {"schema": schema}}}}


def model_of(kind: Any) -> dict[str, Any]:
    """The schema of a model that a route reads itself; its definitions are moved to the components."""
    return TypeAdapter(kind).json_schema(by_alias=True, ref_template=_SCHEMAS + "{model}")


def add_document(app: FastAPI, routers: Sequence[APIRouter], about: About) -> None:
    """Make `app.openapi()` and `/openapi.json` the completed document; it is made once. `app` includes `routers`."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _completed(app, routers, about)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]


def _completed(app: FastAPI, routers: Sequence[APIRouter], about: About) -> dict[str, Any]:
    document = get_openapi(
        title=app.title,
        version=app.version,
        openapi_version=app.openapi_version,
        description=about.description,
        routes=app.routes,
        servers=[{"url": "/", "description": "The process that serves this document."}],
        separate_input_output_schemas=False,
    )
    routes = {(r.path_format, m.lower()): r for r in _routes(routers) for m in r.methods or ()}
    schemas: dict[str, Any] = document.setdefault("components", {}).setdefault("schemas", {})
    for name, schema in _problem_schemas().items():
        schemas[name] = schema
    for path, method, operation in operations(document):
        _complete(operation, method, path, routes[path, method], document)
        _hoist(operation, schemas)
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    _describe_tags(document, about)
    _strip_titles(document)
    return _renamed(document)


def operations(document: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Path, method and object of each operation of a document."""
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if method in _METHODS:
                yield path, method, operation


def _routes(routers: Sequence[APIRouter]) -> Iterator[APIRoute]:
    for router in routers:
        yield from (route for route in router.routes if isinstance(route, APIRoute) and route.include_in_schema)


def _problem_schemas() -> dict[str, Any]:
    schema = ProblemDocument.model_json_schema(ref_template=_SCHEMAS + "{model}")
    return {**schema.pop("$defs"), "ProblemDocument": schema}


def _complete(operation: dict[str, Any], method: str, path: str, route: APIRoute, document: dict[str, Any]) -> None:
    parameters = operation.get("parameters", [])
    headers = {each["name"].lower() for each in parameters if each["in"] == "header"}
    responses: dict[str, Any] = operation["responses"]
    is_guarded = "security" in operation
    expected = {
        "401": is_guarded,
        "403": is_guarded,
        "404": any(each["in"] == "path" for each in parameters),
        "409": "201" in responses,
        "410": "idempotency-key" in headers,
        "412": "if-match" in headers,
        "413": "requestBody" in operation,
        "422": bool(parameters) or "requestBody" in operation,
        "500": is_guarded,
        "503": is_guarded,
    }
    if "HTTPValidationError" in str(responses.get("422", "")):
        del responses["422"]
    for status, is_expected in expected.items():
        if is_expected:
            responses.setdefault(status, {})
    for status, response in responses.items():
        if status >= "400" and "content" not in response:
            _declare_problem(status, response)
    operation["responses"] = dict(sorted(responses.items()))
    if callers := callers_of(route):
        text = operation.get("description", "")
        operation["description"] = f"{text}\n\nCallers: {', '.join(callers)}.".strip()
    _declare_headers(responses, method, path, document)
    if method == "patch" and _JSON in (content := operation["requestBody"]["content"]):
        operation["requestBody"]["content"] = {MERGE_PATCH: content[_JSON], **content}


def _declare_problem(status: str, response: dict[str, Any]) -> None:
    if not response.get("description"):
        response["description"] = _REASONS[status]
    response["content"] = {MEDIA_TYPE: {"schema": {"$ref": f"{_SCHEMAS}ProblemDocument"}}}
    if status in ("429", "503"):
        response.setdefault("headers", {})["Retry-After"] = _header("Seconds after which to try again.", "integer")
    if status == "401":
        response.setdefault("headers", {})["WWW-Authenticate"] = _header("RFC 6750 3.")


def _declare_headers(responses: dict[str, Any], method: str, path: str, document: dict[str, Any]) -> None:
    """An ETag is answered where If-Match is understood, and by the operation that makes such a resource."""
    below = re.compile(re.escape(path) + r"/\{\w+\}")
    makes = method == "post" and any(_is_edited(document, each) for each in document["paths"] if below.fullmatch(each))
    for status in ("200", "201"):
        if status not in responses:
            continue
        headers = responses[status].setdefault("headers", {})
        if status == "201":
            headers["Location"] = _header("Path of the new resource.")
        if makes or (method in ("get", "put", "patch") and _is_edited(document, path)):
            headers["ETag"] = _header("Version of the resource, for If-Match (RFC 9110 8.8.3).")
        if not headers:
            del responses[status]["headers"]


def _is_edited(document: dict[str, Any], path: str) -> bool:
    item = document["paths"][path]
    edits = (item[method] for method in ("put", "patch", "delete") if method in item)
    return any(each["name"].lower() == "if-match" for edit in edits for each in edit.get("parameters", []))


def _header(description: str, kind: str = "string") -> dict[str, Any]:
    return {"description": description, "schema": {"type": kind}}


def _hoist(operation: dict[str, Any], schemas: dict[str, Any]) -> None:
    """Definitions inside an operation have no place there: `$ref` finds them among the components only."""
    for content in operation.get("requestBody", {}).get("content", {}).values():
        schema = content.get("schema", {})
        if "title" in schema and "properties" in schema:
            schemas |= schema.pop("$defs", {})
            schemas[schema["title"]] = schema
            content["schema"] = {"$ref": _SCHEMAS + schema["title"]}


def _describe_tags(document: dict[str, Any], about: About) -> None:
    used = dict.fromkeys(tag for _, _, operation in operations(document) for tag in operation.get("tags", ()))
    texts = {**_SHARED_TAGS, **about.tags}
    document["tags"] = [{"name": tag, "description": texts.get(tag, "")} for tag in used]


def _strip_titles(document: dict[str, Any]) -> None:
    """The framework makes a title of every name of a field; it says nothing that the name does not."""

    def strip(node: Any, *, keep: bool = False) -> None:
        if isinstance(node, list):
            for each in node:
                strip(each)
        elif isinstance(node, dict):
            if not keep and isinstance(node.get("title"), str):
                del node["title"]
            for name, each in node.items():
                if name == "properties":
                    for schema in each.values():
                        strip(schema)
                elif name not in ("examples", "example", "default", "enum", "const"):
                    strip(each)

    strip(document["paths"])
    for schema in document["components"]["schemas"].values():
        strip(schema, keep=True)


def _renamed(document: dict[str, Any]) -> dict[str, Any]:
    """`Page_AccountView_` is `AccountPage`. Raises `ValueError` where two schemas would have one name."""
    schemas = document["components"]["schemas"]
    names = {name: public_name(name) for name in schemas}
    if len(set(names.values())) != len(names):
        twice = sorted(new for new in names.values() if list(names.values()).count(new) > 1)
        raise ValueError(f"two schemas of one name: {', '.join(twice)}")

    def renamed(node: Any) -> Any:
        if isinstance(node, list):
            return [renamed(each) for each in node]
        if not isinstance(node, dict):
            return node
        return {key: _new_value(key, value, names, renamed) for key, value in node.items()}

    document["components"]["schemas"] = {
        names[name]: {"description": _GENERIC.get(name.partition("_")[0], ""), **renamed(schema), "title": names[name]}
        for name, schema in sorted(schemas.items())
    }
    return {key: value if key == "components" else renamed(value) for key, value in document.items()}


def _new_value(key: str, value: Any, names: Mapping[str, str], renamed: Callable[[Any], Any]) -> Any:
    if key == "$ref" and isinstance(value, str) and value.startswith(_SCHEMAS):
        return _SCHEMAS + names[value.removeprefix(_SCHEMAS)]
    if key == "mapping" and isinstance(value, dict):
        return {tag: _SCHEMAS + names[str(ref).removeprefix(_SCHEMAS)] for tag, ref in value.items()}
    return renamed(value)


def public_name(name: str) -> str:
    """The name of a schema in the document, of the name that the framework gives it."""
    if generic := re.fullmatch(rf"({'|'.join(_GENERIC)})_(\w+)_", name):
        return public_name(generic[2]) + generic[1]
    return "Problem" if name == "ProblemDocument" else name.rpartition("__")[2].removesuffix("View")

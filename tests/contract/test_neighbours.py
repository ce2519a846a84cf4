"""The clients of `libs.neighbours` against the OpenAPI documents of the real services: paths, methods, answers."""

from __future__ import annotations

import importlib
import re
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from libs.blobs.files import FileBlobs
from libs.bus.embedded import EmbeddedBus
from libs.http import Checks
from libs.mongo import Mongo
from libs.neighbours import antispam, ingress, quota, router, store
from libs.runtime import Shared
from libs.runtime.http_server import http_server
from tests.servers.replicas import shared_in

CLIENTS = {module.__name__.rpartition(".")[2]: module for module in (antispam, ingress, quota, router, store)}
Schema = Mapping[str, Any]


@pytest.fixture
async def shared(tmp_path: Path, mongo: Mongo) -> AsyncIterator[Shared]:
    bus, blobs = EmbeddedBus(tmp_path / "bus"), FileBlobs(tmp_path / "blobs")
    await bus.start()
    yield shared_in(tmp_path, mongo, bus, blobs=blobs, inline_limit_bytes=1000)
    await bus.close()


async def document_of(service: str, shared: Shared, directory: Path) -> Schema:
    """The OpenAPI document of the service, composed as in life and not started."""
    module = importlib.import_module(f"services.{service}.app")
    settings = module.Settings(var_dir=directory)
    async with module.build(settings, shared.of(service, settings)) as built:
        document: Schema = http_server(built, shared, Checks()).app.openapi()
        return document


@pytest.mark.parametrize("service", CLIENTS)
async def test_what_a_service_answers_fits_the_model_of_its_client(
    service: str, shared: Shared, tmp_path: Path
) -> None:
    document = await document_of(service, shared, tmp_path)
    paths = {unnamed(path): methods for path, methods in document["paths"].items()}
    for operation in CLIENTS[service].OPERATIONS:
        served = paths[unnamed(operation.path)][operation.method.lower()]
        model = operation.answer.model_json_schema()
        if model.get("properties"):
            answer = served["responses"]["200"]["content"]["application/json"]["schema"]
            where = f"{operation.method} {operation.path}"
            assert misfits(where, (model, model), (document, answer)) == []


def unnamed(path: str) -> str:
    """The template of a path without the names of its parameters."""
    return re.sub(r"{\w+}", "{}", path)


def misfits(where: str, wanted: tuple[Schema, Any], served: tuple[Schema, Any]) -> list[str]:
    """What `served` may hold and `wanted` does not take; each is a document and a schema in it."""
    wants, serves = resolved(*wanted), resolved(*served)
    if "enum" in wants or "const" in wants:
        strange = values(serves) - values(wants)
        return [f"{where}: {sorted(strange)} are not known"] if strange else []
    if {"anyOf"} & {*wants, *serves}:
        options = [(wanted[0], option) for option in wants.get("anyOf", [wants])]
        return [
            f"{where}: {option} is not taken"
            for option in serves.get("anyOf", [serves])
            if all(misfits(where, each, (served[0], option)) for each in options)
        ]
    if wants.get("type") != serves.get("type") and (wants.get("type"), serves.get("type")) != ("number", "integer"):
        return [f"{where}: {serves.get('type')} instead of {wants.get('type')}"]
    if wants.get("type") == "array":
        return misfits(f"{where}[]", (wanted[0], wants["items"]), (served[0], serves["items"]))
    found: list[str] = []
    for name, field in wants.get("properties", {}).items():
        if name not in serves.get("properties", {}):
            found.append(f"{where}.{name} is not served")
        else:
            found += misfits(f"{where}.{name}", (wanted[0], field), (served[0], serves["properties"][name]))
    return found


def resolved(document: Schema, schema: Schema) -> Schema:
    if "$ref" not in schema:
        return schema
    found: Any = document
    for part in schema["$ref"].removeprefix("#/").split("/"):
        found = found[part]
    return resolved(document, found)


def values(schema: Schema) -> set[str]:
    return {schema["const"]} if "const" in schema else set(schema.get("enum", ["any value"]))


WANTED: Schema = {"type": "object", "properties": {"colour": {"enum": ["red", "blue"]}, "size": {"type": "integer"}}}
CHANGES: list[tuple[Schema, list[str]]] = [
    ({"colour": {"enum": ["red"]}, "size": {"type": "integer"}, "new": {"type": "string"}}, []),
    ({"colour": {"enum": ["red", "green"]}, "size": {"type": "integer"}}, ["x.colour: ['green'] are not known"]),
    ({"colour": {"const": "red"}, "size": {"type": "string"}}, ["x.size: string instead of integer"]),
    ({"size": {"type": "integer"}}, ["x.colour is not served"]),
]


@pytest.mark.parametrize(("properties", "expected"), CHANGES)
def test_a_change_that_a_client_cannot_read_is_found(properties: Schema, expected: list[str]) -> None:
    served = {"type": "object", "properties": properties}
    assert misfits("x", (WANTED, WANTED), (served, served)) == expected

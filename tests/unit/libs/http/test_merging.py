"""One OpenAPI document for several services."""

from __future__ import annotations

from typing import Any

import pytest

from libs.http.merging import merged

SERVERS = {"one": "http://one", "two": "http://two"}


def a_document(**more: Any) -> dict[str, Any]:
    health = {"get": {"operationId": "getHealth"}}
    document: dict[str, Any] = {"openapi": "3.1.0", "paths": {"/healthz": health}, "tags": [{"name": "operation"}]}
    document["components"] = {"schemas": {"Health": {"type": "object"}}, "securitySchemes": {}}
    document["paths"] |= more
    return document


def test_each_path_names_the_servers_that_have_it() -> None:
    document = merged({"one": a_document(), "two": a_document(**{"/v1/things": {"get": {}}})}, SERVERS)
    servers = {path: [each["url"] for each in item["servers"]] for path, item in document["paths"].items()}
    assert servers == {"/healthz": ["http://one", "http://two"], "/v1/things": ["http://two"]}
    assert [tag["name"] for tag in document["tags"]] == ["operation"]


def test_two_meanings_of_one_path_are_refused() -> None:
    with pytest.raises(ValueError, match="/v1/things"):
        merged({"one": a_document(**{"/v1/things": {"get": {}}}), "two": a_document(**{"/v1/things": {}})}, SERVERS)

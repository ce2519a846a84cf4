"""Clients that are generated from the OpenAPI documents: none lacks an operation, and one is used."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from libs.http.merging import merged
from libs.http.openapi import operations
from services import SERVICES
from tests.servers.facteur import Facteur

BIN = Path(sys.executable).parent
CONFIGURATION = Path(__file__).parents[2] / "tools" / "openapi" / "client.yaml"
DOCUMENTS = (*SERVICES, "merged")


@pytest.fixture(scope="module")
def documents(facteur: Facteur) -> dict[str, dict[str, Any]]:
    """As the running services serve them, and the merged one."""
    served: dict[str, dict[str, Any]] = {service: facteur.get(service, "/openapi.json") for service in SERVICES}
    return {**served, "merged": merged(served, {service: facteur.url(service) for service in SERVICES})}


def generated(tmp_path: Path, document: dict[str, Any], *command: str) -> str:
    """Run a generator over the document; return what it says."""
    source = tmp_path / "openapi.json"
    source.write_text(json.dumps(document))
    done = subprocess.run(
        [str(BIN / command[0]), *command[1:]], cwd=tmp_path, capture_output=True, text=True, timeout=280
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def python_client(tmp_path: Path, document: dict[str, Any]) -> str:
    options = ("--path", "openapi.json", "--config", str(CONFIGURATION), "--meta", "none", "--output-path", "client")
    return generated(tmp_path, document, "openapi-python-client", "generate", *options)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", DOCUMENTS)
def test_openapi_python_client_makes_every_operation(
    documents: dict[str, dict[str, Any]], tmp_path: Path, name: str
) -> None:
    said = python_client(tmp_path, documents[name])
    assert "WARNING" not in said.upper(), said
    modules = [path for path in (tmp_path / "client" / "api").rglob("*.py") if path.name != "__init__.py"]
    # An operation with several tags has a module below the first one only.
    assert len(modules) == len(list(operations(documents[name])))


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", DOCUMENTS)
def test_datamodel_codegen_makes_every_schema(documents: dict[str, dict[str, Any]], tmp_path: Path, name: str) -> None:
    options = ("--input", "openapi.json", "--input-file-type", "openapi", "--output", "models.py")
    kind = ("--output-model-type", "pydantic_v2.BaseModel")
    generated(tmp_path, documents[name], "datamodel-codegen", *options, *kind, "--formatters", "builtin")
    source = (tmp_path / "models.py").read_text()
    compile(source, "models.py", "exec")
    for schema in documents[name]["components"]["schemas"]:
        assert f"class {schema}(" in source, schema


@pytest.fixture
def client_path(documents: dict[str, dict[str, Any]], tmp_path: Path) -> Iterator[None]:
    python_client(tmp_path, documents["router"])
    sys.path.insert(0, str(tmp_path))
    yield
    sys.path.remove(str(tmp_path))
    for module in [each for each in sys.modules if each == "client" or each.startswith("client.")]:
        del sys.modules[module]


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.usefixtures("client_path")
def test_a_generated_client_creates_a_domain_and_understands_a_refusal(facteur: Facteur) -> None:
    token = (facteur.directory / "var/admin-token").read_text().strip()
    package, models = importlib.import_module("client"), importlib.import_module("client.models")
    call = importlib.import_module("client.api.domains.create_domain").sync_detailed
    with package.AuthenticatedClient(base_url=facteur.url("router"), token=token) as client:
        made = call(client=client, body=models.NewDomain(name="generated.example"))
        assert (made.status_code, made.parsed.name) == (201, "generated.example")
        again = call(client=client, body=models.NewDomain(name="generated.example"))
        assert (again.status_code, again.parsed.type_) == (409, "urn:facteur:problem:already-exists")
        refused = call(client=client, body=models.NewDomain(name="not a domain"))
        assert (refused.status_code, refused.parsed.type_) == (422, "urn:facteur:problem:invalid-request")
        assert [error.pointer for error in refused.parsed.errors] == ["#/name"]

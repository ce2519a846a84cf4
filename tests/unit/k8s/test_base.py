"""The manifests render, fit the schemas, and have one shape."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from libs.settings import API_PORTS
from services import SERVICES

ROOT = Path(__file__).parents[3]
BASE = ROOT / "k8s/base"
KUBERNETES = "1.34"


@pytest.fixture(scope="module")
def rendered() -> list[dict[str, Any]]:
    """What `kubectl kustomize` makes of the base."""
    result = subprocess.run(
        [str(ROOT / "tools/kubectl"), "kustomize", str(BASE)], capture_output=True, text=True, timeout=100, check=True
    )
    return [document for document in yaml.safe_load_all(result.stdout) if document]


def test_every_object_fits_its_schema(rendered: list[dict[str, Any]]) -> None:
    for document in rendered:
        kubernetes_validate.validate(document, KUBERNETES, strict=True)


def test_every_service_is_there_with_its_own_port(rendered: list[dict[str, Any]]) -> None:
    deployments = {document["metadata"]["name"]: document for document in rendered if document["kind"] == "Deployment"}
    assert set(deployments) == set(SERVICES)
    for name, deployment in deployments.items():
        container = deployment["spec"]["template"]["spec"]["containers"][0]
        assert container["args"] == ["-m", f"services.{name}"]
        assert container["ports"][0] == {"name": "http", "containerPort": API_PORTS[name]}


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_has_the_same_shape(service: str) -> None:
    """Alike but for name, port and size; ingress has its listeners and its certificate besides."""
    assert _shape(service) == _shape("quota")


@pytest.mark.parametrize("service", SERVICES)
def test_no_pod_can_do_more_than_it_needs(service: str) -> None:
    spec = _documents(service)[0]["spec"]["template"]["spec"]
    container = spec["containers"][0]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert "memory" in container["resources"]["limits"]
    assert {"startupProbe", "livenessProbe", "readinessProbe"} <= set(container)


@pytest.mark.parametrize("service", SERVICES)
def test_a_pod_holds_its_own_token_and_only_digests_of_the_others(service: str) -> None:
    volumes = _documents(service)[0]["spec"]["template"]["spec"]["volumes"]
    secrets = {volume["secret"]["secretName"] for volume in volumes if "secret" in volume} - {"facteur-tls"}
    assert secrets == {"facteur-callers", f"facteur-token-{service}"}


def _documents(service: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((BASE / f"{service}.yaml").read_text()))


def _shape(service: str) -> str:
    documents = [document for document in _documents(service) if document["metadata"]["name"] == service]
    spec = documents[0]["spec"]["template"]["spec"]
    container = spec["containers"][0]
    container.pop("env", None)
    container["ports"] = container["ports"][:1]
    container["volumeMounts"] = [mount for mount in container["volumeMounts"] if mount["name"] != "tls"]
    spec["volumes"] = [volume for volume in spec["volumes"] if volume["name"] != "tls"]
    container["resources"] = sorted(container["resources"])
    text = json.dumps(documents, sort_keys=True)
    return text.replace(service, "SERVICE").replace(str(API_PORTS[service]), "PORT")

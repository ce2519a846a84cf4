"""Requests made from the OpenAPI documents, good ones and bad ones, to the real services on a real MongoDB.

No request is answered 5xx, and what does not fit the document is refused. The seeds are fixed: what fails fails again.
`make fuzz` tries many more of them.
"""

from __future__ import annotations

import os
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import negative_data_rejection, not_a_server_error
from schemathesis.core.failures import FailureGroup

from services import SERVICES
from tests.servers.facteur import Facteur

EXAMPLES = int(os.environ.get("FACTEUR_FUZZ_EXAMPLES", "3"))
SECONDS_A_REQUEST = 60
CHECKS = {
    GenerationMode.POSITIVE: [not_a_server_error],
    GenerationMode.NEGATIVE: [not_a_server_error, negative_data_rejection],
}


@schemathesis.serializer("message/rfc822", "image/*", "application/x-ndjson", "application/octet-stream")
def octets(_: Any, value: Any) -> bytes:
    """Bodies that are no JSON: whatever was made for them, as it is."""
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")


@pytest.mark.timeout(0 if EXAMPLES > 3 else 300)
@pytest.mark.parametrize("service", SERVICES)
def test_no_request_is_a_server_error_and_bad_data_is_refused(facteur: Facteur, service: str) -> None:
    token = (facteur.directory / "var/admin-token").read_text().strip()
    schema = schemathesis.openapi.from_dict(without_security(facteur.get(service, "/openapi.json")))
    failures: list[str] = []
    for result in schema.get_all_operations():
        operation: Any = result.ok()  # type: ignore[union-attr]
        for mode, checks in CHECKS.items():
            try:
                _try(operation, mode, checks, base_url=facteur.url(service), token=token)
            except Unsatisfiable:
                continue  # an operation without parameters cannot be asked wrongly
            except (Exception, FailureGroup) as error:
                failures.append(f"{operation.label} {mode}: {error}"[:2000])
    assert not failures, "\n\n".join(failures)


def without_security(document: dict[str, Any]) -> dict[str, Any]:
    """Every request has the token: a request without one is another test's."""
    for methods in document["paths"].values():
        for operation in methods.values():
            operation.pop("security", None)
    document["components"].pop("securitySchemes", None)
    return document


def _try(operation: Any, mode: GenerationMode, checks: list[Any], *, base_url: str, token: str) -> None:
    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def request(case: Any) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        response = case.call(base_url=base_url, headers=headers, timeout=SECONDS_A_REQUEST)
        # Any octets are a message: only a body in JSON can be wrong by its form.
        can_be_wrong = case.media_type in (None, "application/json")
        case.validate_response(response, checks=checks if can_be_wrong else [not_a_server_error], headers=headers)

    request()

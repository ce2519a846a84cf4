"""Small requests that users of other mail systems met, as their files have them (`tests/specimens/api`)."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.servers.facteur import Facteur

DIRECTORY = Path(__file__).parents[1] / "specimens" / "api"
_REQUEST = re.compile(r"(GET|POST) (\w+) (\S+)(?:  Idempotency-Key: (\S+))?(?:  body \"(.*)\"| (\{.*\}))?")
_SAME = re.compile(r'the same with body "(.*)"')
EXPECTED = {
    "cursor-overflow": [422],
    "larger-than-overflow": [422],
    "idempotency-other-body": [202, 422],
    "idn-recipient": [202],
    "slash-in-local-part": [201, 200],
}


def requests_of(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for line in (DIRECTORY / f"{name}.txt").read_text().splitlines():
        if same := _SAME.fullmatch(line):
            found.append({**found[-1], "content": _octets(same[1])})
        elif match := _REQUEST.fullmatch(line):
            method, service, path, key, raw, json = match.groups()
            request: dict[str, Any] = {"method": method, "service": service, "path": path, "headers": {}}
            if key:
                request["headers"]["Idempotency-Key"] = key
            if raw:
                request["content"] = _octets(raw)
                request["headers"]["Content-Type"] = "message/rfc822"
            if json:
                request["json"] = orjson.loads(json.replace('"..."', '"secret-1234"'))
            found.append(request)
    return found


def _octets(text: str) -> bytes:
    return text.replace("\\r", "\r").replace("\\n", "\n").encode()


@pytest.mark.parametrize("name", EXPECTED)
def test_a_specimen_is_answered_as_its_standard_says(facteur: Facteur, name: str) -> None:
    requests = requests_of(name)
    assert len(requests) == len(EXPECTED[name])
    for request, status in zip(requests, EXPECTED[name], strict=True):
        answer = _answer(facteur, dict(request), status)
        assert answer.status_code == status, answer.text


def _answer(facteur: Facteur, request: dict[str, Any], status: int) -> Any:
    method, service, path = (request.pop(name) for name in ("method", "service", "path"))
    answer = facteur.call(method, service, path, **request)
    end = time.monotonic() + 20
    while answer.status_code == 404 != status and time.monotonic() < end:
        answer = facteur.call(method, service, path, **request)  # a mailbox is there once its event has been heard
    return answer

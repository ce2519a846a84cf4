"""Messages that `honeypot` hits, and messages that it leaves alone."""

from __future__ import annotations

from typing import Any

from libs.envelope import Recipient
from tests.specimens.filter_cases import Case, filter_tests


def alone(**fields: Any) -> dict[str, Any]:
    return {"recipients": (Recipient(**{"address": "marie@example.org", "domain": "example.org", **fields}),)}


HITS = (Case("honeypot", "among others", None, alone(address="x@example.org", purpose="honeypot")),)
MISSES = (Case("honeypot", "a trainer", None, alone(purpose="training")),)

test_hits, test_misses = filter_tests(HITS, MISSES)
